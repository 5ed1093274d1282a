//! Lists of checksums, as publishers write them: `HASH  name`, `HASH *name`, `SHA256 (name) = HASH`, or one
//! bare hash.

use super::Checksum;

/// Why a list says nothing of a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumsError {
    /// An error page, say.
    #[error("it is no list of checksums")]
    None,
    /// It is about other files.
    #[error("it does not name `{0}`")]
    Other(String),
    /// It says two things of one file.
    #[error("it names `{0}` twice, with different checksums")]
    Ambiguous(String),
}

/// What a list says of a file; SHA-512 where it says both.
///
/// # Errors
/// It says nothing of it, or two things.
pub fn find(list: &str, name: &str) -> Result<Checksum, ChecksumsError> {
    let lines: Vec<Line<'_>> = list.lines().filter_map(line).collect();
    if lines.is_empty() {
        return Err(ChecksumsError::None);
    }
    let mut found: Vec<Checksum> = Vec::new();
    for line in &lines {
        let ours = match line.name {
            Some(written) => written.strip_prefix("./").unwrap_or(written) == name,
            None => lines.len() == 1,
        };
        if ours && !found.contains(&line.checksum) {
            found.push(line.checksum);
        }
    }
    let mut strongest = found
        .iter()
        .filter(|sum| matches!(sum, Checksum::Sha512(_)))
        .collect::<Vec<_>>();
    if strongest.is_empty() {
        strongest = found.iter().collect();
    }
    match strongest.as_slice() {
        [] => Err(ChecksumsError::Other(name.to_owned())),
        [only] => Ok(**only),
        _ => Err(ChecksumsError::Ambiguous(name.to_owned())),
    }
}

struct Line<'a> {
    checksum: Checksum,
    name: Option<&'a str>,
}

fn line(text: &str) -> Option<Line<'_>> {
    let text = text.trim_end();
    tagged(text).or_else(|| plain(text))
}

/// `SHA256 (name) = HASH`
fn tagged(text: &str) -> Option<Line<'_>> {
    let (head, digits) = text.rsplit_once(") = ")?;
    let (algorithm, name) = head.split_once(" (")?;
    let checksum = Checksum::parse(digits)?;
    let said = algorithm.to_ascii_lowercase().replace('-', "");
    (said == checksum.algorithm()).then_some(Line {
        checksum,
        name: Some(name),
    })
}

/// `HASH  name`, `HASH *name`, `HASH`
fn plain(text: &str) -> Option<Line<'_>> {
    let (digits, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let checksum = Checksum::parse(digits)?;
    let rest = rest.trim_start();
    let name = rest.strip_prefix('*').unwrap_or(rest);
    Some(Line {
        checksum,
        name: (!name.is_empty()).then_some(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Digest;

    fn sum(text: &str) -> Checksum {
        Digest::of(text.as_bytes()).into()
    }

    #[test]
    fn every_form_of_a_list_is_read() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let long = "ab".repeat(64);
        let forms = [
            format!("{b}  other\n{a}  app.tar.gz\n"),
            format!("{b} *other\r\n{a} *app.tar.gz\r\n"),
            format!("{a}  ./app.tar.gz\n"),
            format!("{a}\tapp.tar.gz\n"),
            format!("SHA256 (other) = {b}\nSHA256 (app.tar.gz) = {a}\n"),
            format!("{a}\n"),
            a.to_string().to_uppercase(),
            format!("# checksums\n\n{a}  app.tar.gz\n{a}  app.tar.gz\n"),
        ];
        for form in forms {
            assert_eq!(find(&form, "app.tar.gz"), Ok(sum("a")), "{form}");
        }
        for form in [
            format!("{long}  app"),
            format!("SHA512 (app) = {long}"),
            format!("{a}  app\n{long}  app"),
        ] {
            assert_eq!(
                find(&form, "app"),
                Ok(Checksum::Sha512([0xab; 64])),
                "{form}"
            );
        }
    }

    #[test]
    fn a_list_that_says_nothing_or_two_things_of_a_file_is_refused() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        for none in [
            "",
            "<html>404</html>",
            "d41d8cd98f00b204e9800998ecf8427e  app",
            "SHA512 (app) = 00",
        ] {
            assert_eq!(find(none, "app"), Err(ChecksumsError::None), "{none}");
        }
        let other = Err(ChecksumsError::Other("app".to_owned()));
        for text in [
            format!("{a}  app.asc"),
            format!("{a}  dir/app"),
            format!("{a}\n{b}\n"),
            format!("{a}  xapp"),
        ] {
            assert_eq!(find(&text, "app"), other, "{text}");
        }
        let twice = find(&format!("{a}  app\n{b}  app"), "app");
        assert_eq!(twice, Err(ChecksumsError::Ambiguous("app".to_owned())));
    }
}
