//! Where each field stands.

use std::collections::BTreeMap;

use super::tree::{Node, Value};
use crate::path;
use crate::problem::Place;

/// Where each field of a document stands, by path.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(BTreeMap<String, Place>);

impl Places {
    pub fn of(root: &Node) -> Self {
        let mut places = Self::default();
        places.0.insert(String::new(), root.head());
        places.walk("", root);
        places
    }

    /// The place of a field, or of the nearest that is there above it.
    pub fn get(&self, path: &str) -> Option<Place> {
        let cuts = path
            .char_indices()
            .rev()
            .filter(|(_, c)| matches!(c, '.' | '['));
        std::iter::once(path.len())
            .chain(cuts.map(|(index, _)| index))
            .chain([0])
            .find_map(|end| self.0.get(&path[..end]).copied())
    }

    /// The place of a field that is there.
    pub fn exact(&self, path: &str) -> Option<Place> {
        self.0.get(path).copied()
    }

    /// Also finds a field by another name of it.
    pub fn alias(&mut self, path: String, written: &str) {
        if let Some(place) = self.0.get(written).copied() {
            self.0.insert(path, place);
        }
    }

    fn walk(&mut self, path: &str, node: &Node) {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let path = path::item(path, index);
                    self.0.insert(path.clone(), item.head());
                    self.walk(&path, item);
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    let path = path::field(path, &entry.key);
                    let scalar = matches!(entry.value.value, Value::Scalar { .. });
                    let place = if scalar && !entry.value.is_null() {
                        entry.value.place
                    } else {
                        entry.key_place
                    };
                    self.0.insert(path.clone(), place);
                    self.walk(&path, &entry.value);
                }
            }
        }
    }
}
