//! One value of a file, changed in its text; the rest stays as the user wrote it.

use super::places::Places;
use super::yaml;

/// The text with a number at a path; if nothing is there yet, on a line of its own below another field of the same
/// mapping, `beside`. `None`, if neither is there, or the text cannot be read.
#[must_use]
pub fn with_number(text: &str, path: &str, beside: &str, number: u64) -> Option<String> {
    with_scalar(text, path, beside, &number.to_string())
}

/// The text with another text at a path, in quotes; else as [`with_number`].
#[must_use]
pub fn with_text(text: &str, path: &str, beside: &str, value: &str) -> Option<String> {
    // A text in JSON is the same text in YAML.
    with_scalar(text, path, beside, &serde_json::to_string(value).ok()?)
}

fn with_scalar(text: &str, path: &str, beside: &str, scalar: &str) -> Option<String> {
    let (nodes, problems) = yaml::parse(text);
    let [node] = nodes.as_slice() else {
        return None;
    };
    if !problems.is_empty() {
        return None;
    }
    let places = Places::of(node);
    if let Some(place) = places.exact(path) {
        let (before, after) = text.split_at_checked(place.offset)?;
        return Some(format!("{before}{scalar}{}", after.get(place.length..)?));
    }
    let place = places.exact(beside)?;
    let start = text.get(..place.offset)?.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(start..)?;
    let line = rest.split_inclusive('\n').next()?;
    let indent = &line[..line.len() - line.trim_start().len()];
    let key = path.rsplit('.').next()?;
    let (before, after) = (text.get(..start)?, rest.get(line.len()..)?);
    let line = line.trim_end_matches('\n');
    let edited = format!("{before}{line}\n{indent}{key}: {scalar}\n{after}");
    // Where the mapping is written on one line, this is no way to do it.
    let (nodes, problems) = yaml::parse(&edited);
    let [node] = nodes.as_slice() else {
        return None;
    };
    let there = problems.is_empty() && Places::of(node).exact(path).is_some();
    there.then_some(edited)
}

#[cfg(test)]
mod tests {
    use super::{with_number, with_text};

    #[test]
    fn a_text_is_put_in_quotes() {
        let edit = |text: &str| with_text(text, "registry.address", "registry.type", "[::1]:8001");
        let edited = edit("registry:\n  address: 127.0.0.1:8000 # here\n");
        let wanted = "registry:\n  address: \"[::1]:8001\" # here\n";
        assert_eq!(edited.as_deref(), Some(wanted));
        let edited = edit("registry:\n  address: \"127.0.0.1:8000\"\n");
        assert_eq!(
            edited.as_deref(),
            Some("registry:\n  address: \"[::1]:8001\"\n")
        );
        let edited = edit("registry:\n  type: integrated\n");
        let wanted = "registry:\n  type: integrated\n  address: \"[::1]:8001\"\n";
        assert_eq!(edited.as_deref(), Some(wanted));
    }

    fn edit(text: &str) -> Option<String> {
        with_number(text, "registry.port", "registry.ipv6_address", 8001)
    }

    #[test]
    fn only_the_value_changes() {
        let text = "# a\nregistry:\n  port: 8000 # b\n  ipv6_address: \"::1\"\n\nrest: [1,  2]\n";
        let edited = edit(text).expect("it is there");
        assert_eq!(edited, text.replace("8000", "8001"));
        let flow = "registry: { ipv6_address: '::1', port: 0x1f40 }";
        assert_eq!(
            edit(flow).expect("it is there"),
            flow.replace("0x1f40", "8001")
        );
    }

    #[test]
    fn what_is_not_there_gets_a_line() {
        let edited = edit("registry:\n    ipv6_address: ::1 # c\n    role: root\n");
        let expected = "registry:\n    ipv6_address: ::1 # c\n    port: 8001\n    role: root\n";
        assert_eq!(edited.as_deref(), Some(expected));
        let edited = edit("registry:\n  ipv6_address: ::1");
        assert_eq!(
            edited.as_deref(),
            Some("registry:\n  ipv6_address: ::1\n  port: 8001\n")
        );
    }

    #[test]
    fn what_cannot_be_edited_is_left() {
        for text in [
            "",
            "registry: { ipv6_address: '::1' }",
            "registry: {}",
            "a: [",
            "a: 1\n---\nb: 2\n",
        ] {
            assert_eq!(edit(text), None, "{text}");
        }
    }
}
