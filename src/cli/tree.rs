//! Trees: what belongs to something stands below it.

use trustnet_core::readiness::clean;

/// A thing with what belongs to it.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// What it is, in a line; may be painted, and so is to be clean already.
    pub text: String,
    /// Lines about it, as somebody said them.
    pub said: Vec<String>,
    /// What belongs to it.
    pub below: Vec<Node>,
}

impl Node {
    /// A thing.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// The same with what belongs to it.
    #[must_use]
    pub fn below(self, below: Vec<Self>) -> Self {
        Self { below, ..self }
    }
}

/// Draws trees, one after the other.
#[must_use]
pub fn draw(roots: &[Node]) -> String {
    let mut text = String::new();
    for root in roots {
        text.push_str(&root.text);
        text.push('\n');
        inside(root, "", &mut text);
    }
    text
}

fn inside(node: &Node, indent: &str, text: &mut String) {
    for line in &node.said {
        let bar = if node.below.is_empty() { ' ' } else { '│' };
        text.push_str(format!("{indent}{bar}  | {}", clean(line)).trim_end());
        text.push('\n');
    }
    for (index, child) in node.below.iter().enumerate() {
        let last = index + 1 == node.below.len();
        let (fork, more) = if last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        text.push_str(&format!("{indent}{fork}{}\n", child.text));
        inside(child, &format!("{indent}{more}"), text);
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, draw};

    #[test]
    fn what_belongs_to_something_stands_below_it_and_is_no_command_to_a_terminal() {
        let said = Node {
            said: vec!["\u{1b}[2Jbad".to_owned()],
            ..Node::new("b")
        };
        let tree = Node::new("root").below(vec![
            Node::new("a").below(vec![Node::new("one"), Node::new("two")]),
            said,
        ]);
        assert_eq!(
            draw(&[tree, Node::new("alone")]),
            "root\n├─ a\n│  ├─ one\n│  └─ two\n└─ b\n      | bad\nalone\n"
        );
    }
}
