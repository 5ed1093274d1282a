//! Control stanzas: `Name: value` lines, folded ones begin with a blank, an empty line ends a stanza.

/// The stanzas of a text, each as it stands there, without the empty lines around it.
#[derive(Debug, Clone)]
pub struct Stanzas<'a> {
    rest: &'a str,
}

/// The fields of one stanza.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a str,
}

/// One field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its name, as it is written.
    pub name: &'a str,
    /// Its value, blanks around it cut off; folded lines are part of it, with their line feeds.
    pub value: &'a str,
    /// All of it, with its last line feed if it has one.
    pub text: &'a str,
}

/// Splits a text into its stanzas.
#[must_use]
pub fn stanzas(text: &str) -> Stanzas<'_> {
    Stanzas { rest: text }
}

/// The fields of a stanza, in the order in which they stand. Lines that are no field are passed over.
#[must_use]
pub fn fields(stanza: &str) -> Fields<'_> {
    Fields { rest: stanza }
}

/// The value of a field, whose name's case does not count.
#[must_use]
pub fn field<'a>(stanza: &'a str, name: &str) -> Option<&'a str> {
    fields(stanza)
        .find(|field| field.name.eq_ignore_ascii_case(name))
        .map(|field| field.value)
}

impl<'a> Iterator for Stanzas<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches(['\n', '\r']);
        if text.is_empty() {
            return None;
        }
        let mut end = 0;
        for line in text.split_inclusive('\n') {
            if matches!(line, "\n" | "\r\n") {
                break;
            }
            end += line.len();
        }
        self.rest = &text[end..];
        Some(&text[..end])
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        loop {
            let text = self.rest;
            if text.is_empty() {
                return None;
            }
            let mut end = line_end(text, 0);
            while matches!(text.as_bytes().get(end), Some(b' ' | b'\t')) {
                end = line_end(text, end);
            }
            let (field, rest) = text.split_at(end);
            self.rest = rest;
            match field.split_once(':') {
                Some((name, value)) if is_name(name) => {
                    return Some(Field {
                        name,
                        value: value.trim(),
                        text: field,
                    });
                }
                _ => {}
            }
        }
    }
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..]
        .find('\n')
        .map_or(text.len(), |at| from + at + 1)
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}
