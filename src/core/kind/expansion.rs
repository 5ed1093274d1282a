//! What a document becomes, and where in the document each part of that stood.

use trustnet_api::vm::VirtualMachine;

use crate::path;
use crate::problem::Problem;
use crate::vm::Vm;

/// What a document becomes.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// The VM; none where something is wrong that leaves no VM to speak of.
    pub vm: Option<VirtualMachine>,
    /// Where each field of the VM stood.
    pub origin: Origin,
    /// What is wrong with the document itself, by its own paths; the VM's problems are not among them.
    pub problems: Vec<Problem>,
}

impl Expansion {
    /// Everything that is wrong, the VM's own problems included, by the paths of the document.
    #[must_use]
    pub fn all_problems(&self) -> Vec<Problem> {
        let of_vm = self.vm.as_ref().map(Vm::resolve);
        let of_vm = match of_vm {
            Some(Err(problems) | Ok((_, problems))) => problems,
            None => Vec::new(),
        };
        let of_vm = of_vm
            .into_iter()
            .map(|problem| self.origin.original(problem));
        self.problems.iter().cloned().chain(of_vm).collect()
    }
}

/// Where in a document the fields of its VM stood: pairs of a path in the VM and one in the document. A field is
/// found by the longest path that it lies in; what is in none stood where it stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin(Vec<(String, String)>);

impl Origin {
    /// Notes where a field of the VM, and all below it, stood.
    pub(super) fn note(&mut self, in_vm: impl Into<String>, in_document: impl Into<String>) {
        self.0.push((in_vm.into(), in_document.into()));
    }

    /// The path in the document of a field of the VM.
    #[must_use]
    pub fn path(&self, in_vm: &str) -> String {
        let known = self
            .0
            .iter()
            .filter(|(known, _)| path::is_within(in_vm, known));
        match known.max_by_key(|(known, _)| known.len()) {
            Some((known, original)) => format!("{original}{}", &in_vm[known.len()..]),
            None => in_vm.to_owned(),
        }
    }

    /// A problem of the VM as one of the document.
    #[must_use]
    pub fn original(&self, problem: Problem) -> Problem {
        Problem {
            path: self.path(&problem.path),
            ..problem
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Origin;

    #[test]
    fn a_field_is_found_by_the_longest_path_that_it_lies_in() {
        let mut origin = Origin::default();
        origin.note("spec", "spec.vm");
        origin.note("spec.services[0].config.domain", "spec.domain");
        origin.note("spec.services[1]", "spec.vm.services[0]");
        for (in_vm, original) in [
            ("spec.memory", "spec.vm.memory"),
            ("spec.services[0].config.domain", "spec.domain"),
            ("spec.services[1].name", "spec.vm.services[0].name"),
            ("spec.services[10].name", "spec.vm.services[10].name"),
            ("metadata.name", "metadata.name"),
        ] {
            assert_eq!(origin.path(in_vm), original);
        }
    }
}
