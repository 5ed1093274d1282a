//! Dependencies first, where they do not go round in circles; else by name.

use std::collections::{BTreeMap, BTreeSet};

/// The names in an order in which each comes after what it needs.
pub fn dependencies_first<'a>(needs: &BTreeMap<&'a str, BTreeSet<&'a str>>) -> Vec<&'a str> {
    let mut order = Vec::with_capacity(needs.len());
    let mut seen = BTreeSet::new();
    for name in needs.keys() {
        visit(name, needs, &mut seen, &mut order);
    }
    order
}

/// Depth first, without recursion: chains can be as long as an archive.
fn visit<'a>(
    name: &'a str,
    needs: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    seen: &mut BTreeSet<&'a str>,
    order: &mut Vec<&'a str>,
) {
    if !seen.insert(name) {
        return;
    }
    let below = |name: &str| needs.get(name).into_iter().flatten();
    let mut path = vec![(name, below(name))];
    while let Some((name, rest)) = path.last_mut() {
        match rest.next() {
            Some(next) if seen.insert(*next) => path.push((*next, below(next))),
            Some(_) => {}
            None => {
                order.push(*name);
                path.pop();
            }
        }
    }
}
