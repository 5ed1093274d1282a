//! Which documents of an invocation wait for which, and what is wrong with that.

use crate::problem::Problem;
use crate::{path, suggest};

/// A document that may wait for others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependent<'a> {
    /// Its name.
    pub name: &'a str,
    /// Whom it says that it depends on.
    pub depends_on: &'a [String],
    /// Whom its services depend on.
    pub implied: Vec<&'a str>,
}

impl Dependent<'_> {
    /// Whether this one says, or its services do, that `name` comes first; and the path that says so.
    fn path_to(&self, name: &str) -> Option<String> {
        let mut said = self.depends_on.iter();
        let index = said.position(|one| one.eq_ignore_ascii_case(name));
        let index = index.map(|index| path::item("spec.dependsOn", index));
        let implied = || {
            self.implied
                .contains(&name)
                .then(|| "spec.services".to_owned())
        };
        index.or_else(implied)
    }
}

/// What is wrong: names that no document has, and circles. Each problem comes with the index of the document that
/// it is of, and a circle is told once.
#[must_use]
pub fn check(all: &[Dependent<'_>]) -> Vec<(usize, Problem)> {
    let mut problems = Vec::new();
    for (index, one) in all.iter().enumerate() {
        for (place, name) in one.depends_on.iter().enumerate() {
            let known = all
                .iter()
                .any(|other| other.name.eq_ignore_ascii_case(name));
            if !known {
                let names = all.iter().map(|other| other.name);
                let names = names.filter(|other| *other != one.name);
                let hint = match suggest::nearest(name, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "name a document that is given together with this one".to_owned(),
                };
                let path = path::item("spec.dependsOn", place);
                let message = format!("there is no document `{name}`");
                problems.push((index, Problem::error(path, message).hint(hint)));
            }
        }
    }
    problems.extend(circle(all));
    problems
}

/// A circle, if there is one.
fn circle(all: &[Dependent<'_>]) -> Option<(usize, Problem)> {
    let waits = |one: &Dependent<'_>, left: &[usize]| {
        left.iter()
            .any(|other| one.path_to(all[*other].name).is_some())
    };
    let mut left: Vec<usize> = (0..all.len()).collect();
    while let Some(free) = left.iter().position(|index| !waits(&all[*index], &left)) {
        left.remove(free);
    }
    // Each that is left waits for one that is left: whoever follows that comes back to where somebody was.
    let mut walked = vec![*left.first()?];
    loop {
        let here = walked.last().copied()?;
        let next = left
            .iter()
            .copied()
            .find(|other| all[here].path_to(all[*other].name).is_some())?;
        if let Some(begin) = walked.iter().position(|index| *index == next) {
            walked.drain(..begin);
            break;
        }
        walked.push(next);
    }
    let first = walked.first().copied()?;
    let second = walked.get(1).copied().unwrap_or(first);
    let path = all[first].path_to(all[second].name)?;
    let mut names: Vec<String> = walked
        .iter()
        .map(|index| format!("`{}`", all[*index].name))
        .collect();
    names.push(format!("`{}`", all[first].name));
    let message = format!("these wait for each other: {}", names.join(" → "));
    let problem = Problem::error(path, message).hint("take one of the dependencies out");
    Some((first, problem))
}

#[cfg(test)]
mod tests {
    use super::{Dependent, check};

    fn said(all: &[(&str, &[&str], &[&str])]) -> Vec<String> {
        let names: Vec<Vec<String>> = all
            .iter()
            .map(|(_, depends_on, _)| depends_on.iter().map(|&name| name.to_owned()).collect())
            .collect();
        let all: Vec<Dependent<'_>> = all
            .iter()
            .zip(&names)
            .map(|((name, _, implied), depends_on)| Dependent {
                name,
                depends_on,
                implied: implied.to_vec(),
            })
            .collect();
        let problems = check(&all).into_iter();
        let said = problems.map(|(index, problem)| {
            let hint = problem.hint.clone().unwrap_or_default();
            format!("{index} {}: {} ({hint})", problem.path, problem.message)
        });
        said.collect()
    }

    #[test]
    fn what_is_in_order_is_not_told() {
        assert_eq!(said(&[]), [""; 0]);
        let good: &[(&str, &[&str], &[&str])] = &[
            ("node", &["Root"], &["second", "elsewhere"]),
            ("second", &[], &["root"]),
            ("root", &[], &[]),
        ];
        assert_eq!(said(good), [""; 0]);
    }

    #[test]
    fn names_that_nobody_has_are_told_with_the_nearest() {
        let unknown: &[(&str, &[&str], &[&str])] =
            &[("root", &[], &[]), ("node", &["rot", "other-thing"], &[])];
        assert_eq!(
            said(unknown),
            [
                "1 spec.dependsOn[0]: there is no document `rot` (did you mean `root`?)",
                "1 spec.dependsOn[1]: there is no document `other-thing` (name a document that is given together with this one)",
            ]
        );
    }

    #[test]
    fn a_circle_is_told_once_and_without_those_who_only_wait_for_it() {
        let hint = "(take one of the dependencies out)";
        let circle: &[(&str, &[&str], &[&str])] = &[
            ("waits", &["a"], &[]),
            ("a", &["free", "b"], &[]),
            ("b", &[], &["c"]),
            ("c", &["a"], &[]),
            ("free", &[], &[]),
        ];
        let all = "these wait for each other: `a` → `b` → `c` → `a`";
        assert_eq!(said(circle), [format!("1 spec.dependsOn[1]: {all} {hint}")]);
        let own: &[(&str, &[&str], &[&str])] = &[("a", &["A"], &[])];
        let all = "these wait for each other: `a` → `a`";
        assert_eq!(said(own), [format!("0 spec.dependsOn[0]: {all} {hint}")]);
    }
}
