//! From text to trees. The YAML parser is behind this file.
//!
//! The parser's events are taken as they come, not through serde: only they say where a key stands,
//! what was quoted, and which keys are there twice, all of them and not the first only. It is the
//! parser that serde-saphyr is built on.

use std::collections::{HashMap, HashSet};

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::tree::{Entry, Node, Value};
use crate::problem::{Place, Problem};

/// The deepest nesting.
const MAX_DEPTH: usize = 64;
/// The most that a file may hold with its aliases expanded: each value counts 1, and 1 more for each
/// [`TEXT`] bytes of its text.
const MAX_WEIGHT: usize = 100_000;
const TEXT: usize = 64;
const CORE_TAGS: &str = "tag:yaml.org,2002:";
const CORE: [&str; 7] = ["bool", "float", "int", "map", "null", "seq", "str"];

/// The documents of a text and what is wrong with it as YAML. A document that something is wrong
/// with is there as far as it can be told.
pub(crate) fn parse(text: &str) -> (Vec<Node>, Vec<Problem>) {
    let mut options = granit_parser::Options::default();
    options.set_emit_comments(false);
    options.flow_nesting_limit = MAX_DEPTH;
    options.block_nesting_limit = MAX_DEPTH;
    let mut composer = Composer::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let done = match event {
            Ok((event, span)) => composer.event(event, &span),
            Err(error) => Err(syntax(text, &error)),
        };
        if let Err(problem) = done {
            composer.problems.push(problem);
            break;
        }
    }
    (composer.documents, composer.problems)
}

#[derive(Default)]
struct Composer {
    documents: Vec<Node>,
    problems: Vec<Problem>,
    open: Vec<Open>,
    anchors: HashMap<usize, Node>,
    weight: usize,
}

/// A sequence or mapping that is not at its end yet.
struct Open {
    anchor: usize,
    place: Place,
    weight: usize,
    height: usize,
    parts: Parts,
}

enum Parts {
    Sequence(Vec<Node>),
    Mapping {
        entries: Vec<Entry>,
        /// The key whose value is next.
        key: Option<(String, Place)>,
        /// The line of each key.
        lines: HashMap<String, usize>,
    },
}

impl Composer {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Problem> {
        let place = place(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let quoted = self.tag(tag.as_deref(), place) == Some("str");
                let weight = 1 + text.len() / TEXT;
                let value = Value::Scalar {
                    text: text.into_owned(),
                    plain: style == ScalarStyle::Plain && !quoted,
                };
                self.weigh(weight, place)?;
                self.finish(
                    anchor,
                    Node {
                        value,
                        place,
                        weight,
                        height: 1,
                    },
                )
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), place);
                self.begin(anchor, place, Parts::Sequence(Vec::new()))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.tag(tag.as_deref(), place);
                self.begin(
                    anchor,
                    place,
                    Parts::Mapping {
                        entries: Vec::new(),
                        key: None,
                        lines: HashMap::new(),
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => {
                let Some(known) = self.anchors.get(&anchor) else {
                    return Err(at(place, "the alias stands within what it names")
                        .hint("write the value out"));
                };
                let weight = known.weight;
                let node = Node {
                    place,
                    ..known.clone()
                };
                self.weigh(weight, place)?;
                self.finish(0, node)
            }
            Event::DocumentEnd => {
                self.anchors.clear();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, anchor: usize, place: Place, parts: Parts) -> Result<(), Problem> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep(place));
        }
        self.weigh(1, place)?;
        self.open.push(Open {
            anchor,
            place,
            weight: 1,
            height: 1,
            parts,
        });
        Ok(())
    }

    fn weigh(&mut self, weight: usize, place: Place) -> Result<(), Problem> {
        self.weight += weight;
        if self.weight <= MAX_WEIGHT {
            return Ok(());
        }
        Err(
            at(place, "the file holds too much, with its aliases expanded")
                .hint("write less, or split the file"),
        )
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Some(open) = self.open.pop() else {
            return Ok(());
        };
        let value = match open.parts {
            Parts::Sequence(items) => Value::Sequence(items),
            Parts::Mapping { entries, .. } => Value::Mapping(merged(entries)),
        };
        let Open {
            anchor,
            place,
            weight,
            height,
            ..
        } = open;
        self.finish(
            anchor,
            Node {
                value,
                place,
                weight,
                height,
            },
        )
    }

    /// Puts a whole node where it belongs.
    fn finish(&mut self, anchor: usize, node: Node) -> Result<(), Problem> {
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(too_deep(node.place));
        }
        if anchor != 0 {
            self.weigh(node.weight, node.place)?;
            self.anchors.insert(anchor, node.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        open.weight += node.weight;
        open.height = open.height.max(node.height + 1);
        match &mut open.parts {
            Parts::Sequence(items) => items.push(node),
            Parts::Mapping {
                entries,
                key,
                lines,
            } => match key.take() {
                None => *key = Some(as_key(&node)?),
                Some((key, key_place)) => {
                    if let Some(line) = lines.get(&key).filter(|_| key != MERGE) {
                        let problem = at(key_place, format!("the key `{key}` is there twice"));
                        self.problems.push(
                            problem.hint(format!("the first is on line {line}; keep one of them")),
                        );
                    } else {
                        lines.insert(key.clone(), key_place.line);
                        entries.push(Entry {
                            key,
                            key_place,
                            value: node,
                        });
                    }
                }
            },
        }
        Ok(())
    }

    /// The name of a core tag; any other is a problem.
    fn tag<'a>(&mut self, tag: Option<&'a Tag>, place: Place) -> Option<&'a str> {
        let tag = tag?;
        if tag.handle() == CORE_TAGS && CORE.contains(&tag.suffix()) {
            return Some(tag.suffix());
        }
        if tag.handle() == "!" && tag.suffix().is_empty() {
            return Some("str");
        }
        let problem = at(
            place,
            format!(
                "the tag `{}{}` means nothing here",
                tag.handle(),
                tag.suffix()
            ),
        );
        self.problems.push(problem.hint("leave the tag out"));
        None
    }
}

/// YAML 1.1's key for taking up the entries of other mappings.
const MERGE: &str = "<<";

fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    if entries.iter().all(|entry| entry.key != MERGE) {
        return entries;
    }
    let (merges, mut own): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| entry.key == MERGE);
    let mut known: HashSet<String> = own.iter().map(|entry| entry.key.clone()).collect();
    for merge in merges {
        let sources = match merge.value.value {
            Value::Mapping(entries) => vec![entries],
            Value::Sequence(items) => items
                .into_iter()
                .filter_map(|item| match item.value {
                    Value::Mapping(entries) => Some(entries),
                    Value::Scalar { .. } | Value::Sequence(_) => None,
                })
                .collect(),
            Value::Scalar { .. } => Vec::new(),
        };
        for entry in sources.into_iter().flatten() {
            if known.insert(entry.key.clone()) {
                own.push(entry);
            }
        }
    }
    own
}

fn as_key(node: &Node) -> Result<(String, Place), Problem> {
    match &node.value {
        Value::Scalar { text, .. } => Ok((text.clone(), node.place)),
        Value::Sequence(_) | Value::Mapping(_) => Err(at(
            node.head(),
            "a key is one word, not a list or a mapping",
        )
        .hint("quote text that begins with `{` or `[`")),
    }
}

fn too_deep(place: Place) -> Problem {
    at(
        place,
        format!("the file is nested deeper than {MAX_DEPTH} levels"),
    )
    .hint("no spec is nested deeper than ten")
}

fn at(place: Place, message: impl Into<String>) -> Problem {
    Problem {
        place: Some(place),
        ..Problem::error("", message)
    }
}

fn place(span: &Span) -> Place {
    let offset = span.start.byte_offset().unwrap_or_default();
    let end = span.end.byte_offset().unwrap_or_default();
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
        offset,
        length: end.saturating_sub(offset).max(1),
    }
}

fn syntax(text: &str, error: &ScanError) -> Problem {
    let marker = error.marker();
    let line = marker.line().max(1);
    let place = Place {
        line,
        column: marker.col() + 1,
        offset: marker.byte_offset().unwrap_or_default().min(text.len()),
        length: 1,
    };
    if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
        return too_deep(place);
    }
    let mut message = error.kind().to_string();
    if let Some(first) = message.chars().next() {
        message.replace_range(..first.len_utf8(), &first.to_lowercase().to_string());
    }
    let problem = at(place, format!("this is not YAML: {message}"));
    let tabbed = |number: usize| {
        let line = text
            .lines()
            .nth(number.saturating_sub(1))
            .unwrap_or_default();
        let blank = line.len() - line.trim_start().len();
        line[..blank].contains('\t')
    };
    if tabbed(line) || tabbed(line - 1) || tabbed(line + 1) {
        problem.hint("indent with spaces; YAML takes no tabs there")
    } else {
        problem
    }
}
