//! Paths of fields, in the form in which problems and `explain` show them: `spec.dataDisks[1].size`,
//! `metadata.labels["app.kubernetes.io/name"]`.

use std::fmt::Write;

/// The path of the field `key` of the mapping at `path`.
#[must_use]
pub fn field(path: &str, key: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if key.is_empty() || !key.chars().all(plain) {
        let quoted: String = key.chars().flat_map(char::escape_debug).collect();
        format!("{path}[\"{quoted}\"]")
    } else if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// The path of the item `index` of the sequence at `path`.
#[must_use]
pub fn item(path: &str, index: usize) -> String {
    let mut text = path.to_owned();
    // Writing to a String cannot fail.
    let _ = write!(text, "[{index}]");
    text
}

/// The path of the field or list that `path` lies in.
#[must_use]
pub fn parent(path: &str) -> &str {
    // A quoted key may hold anything; its bracket is the last that a quote follows.
    let end = path
        .ends_with("\"]")
        .then(|| path.rfind("[\""))
        .flatten()
        .or_else(|| path.rfind(['.', '[']));
    &path[..end.unwrap_or(0)]
}

/// Whether `path` is `root` or lies below it.
#[must_use]
pub fn is_within(path: &str, root: &str) -> bool {
    root.is_empty()
        || path
            .strip_prefix(root)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use super::{field, is_within, item, parent};

    #[test]
    fn a_path_reads_as_it_would_be_written() {
        assert_eq!(field("", "spec"), "spec");
        assert_eq!(item(&field("spec", "dataDisks"), 1), "spec.dataDisks[1]");
        assert_eq!(field("labels", "a.b/c"), "labels[\"a.b/c\"]");
        assert_eq!(field("labels", "\"\n"), "labels[\"\\\"\\n\"]");
    }

    #[test]
    fn the_parent_of_a_field_is_what_holds_it() {
        let cases = [
            ("spec", ""),
            ("spec.ips", "spec"),
            ("spec.ips[0]", "spec.ips"),
            ("metadata.labels[\"a.b/c\"]", "metadata.labels"),
        ];
        for (path, expected) in cases {
            assert_eq!(parent(path), expected, "{path}");
        }
    }

    #[test]
    fn a_longer_name_is_not_within_a_shorter_one() {
        assert!(is_within("spec.memory", "spec"));
        assert!(is_within("spec.ips[0]", "spec.ips"));
        assert!(!is_within("spec.memoryGiB", "spec.memory"));
    }
}
