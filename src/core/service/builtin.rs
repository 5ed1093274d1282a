//! The definitions that the program brings: `images/services/`, in it from when it was built.

use super::definition::{Catalogue, Definition, Origin};
use crate::load;

/// Names `images/services/NAME.yaml` with its text.
macro_rules! texts {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../../../images/services/", $name, ".yaml")))),+]
    };
}

/// Each definition's text, by its name.
const TEXTS: [(&str, &str); 16] = texts![
    "ansible",
    "aws-cli",
    "caddy",
    "docker",
    "forgejo",
    "go",
    "helm",
    "jenkins",
    "kubectl",
    "node-exporter",
    "postgresql",
    "tailscale",
    "terraform",
    "trustnet-node",
    "trustnet-registry",
    "vaultwarden",
];

/// The text of a definition that the program brings, as it was written.
#[must_use]
pub fn builtin_text(name: &str) -> Option<&'static str> {
    let found = TEXTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, text)| *text)
}

impl Catalogue {
    /// The catalogue of the definitions that the program brings.
    #[must_use]
    pub fn builtin() -> Self {
        let mut catalogue = Self::default();
        for (_, text) in TEXTS {
            for document in load::load_services(text.as_bytes()).0 {
                // A test looks at each: none has problems.
                if let Ok((definition, _)) = Definition::new(document.object, Origin::BuiltIn) {
                    catalogue.add(definition);
                }
            }
        }
        catalogue
    }
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the folder is what is compared with"
)]
mod tests {
    use std::path::Path;

    use super::{Catalogue, TEXTS};
    use crate::load;

    #[test]
    fn the_list_and_the_folder_agree() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/services");
        let entries = std::fs::read_dir(folder).expect("the folder");
        let mut files: Vec<String> = entries
            .map(|entry| entry.expect("an entry").file_name())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        files.sort();
        let listed: Vec<String> = TEXTS
            .iter()
            .map(|(name, _)| format!("{name}.yaml"))
            .collect();
        assert_eq!(files, listed);
    }

    #[test]
    fn every_definition_keeps_the_rules_and_is_named_as_its_file() {
        for (name, text) in TEXTS {
            let (documents, problems) = load::load_services(text.as_bytes());
            assert_eq!(problems, [], "{name}");
            let [document] = documents.as_slice() else {
                panic!("{name} holds {} documents", documents.len());
            };
            assert_eq!(document.object.metadata.name, name);
        }
        assert_eq!(Catalogue::builtin().iter().count(), TEXTS.len());
    }

    #[test]
    fn every_definition_says_what_a_user_has_to_know() {
        for definition in Catalogue::builtin().iter() {
            let (name, spec) = (definition.name(), definition.spec());
            assert!(spec.description.is_some(), "{name}");
            assert!(!spec.tests.is_empty(), "{name}");
            assert!(!spec.artifacts.is_empty(), "{name}");
            if spec.unit.is_some() {
                assert!(spec.ready.is_some(), "{name}");
            }
        }
    }

    #[test]
    fn every_artifact_of_a_publisher_is_pinned_for_both_architectures() {
        let mut unpinned = Vec::new();
        for definition in Catalogue::builtin().iter() {
            for artifact in &definition.spec().artifacts {
                let digest = |arch| artifact.digests.contains_key(arch);
                let pinned = match &artifact.oci {
                    // An index: of all architectures.
                    Some(image) => image.digest.is_some(),
                    None => ["amd64", "arm64"].into_iter().all(digest),
                };
                if (artifact.url.is_some() || artifact.oci.is_some()) && !pinned {
                    unpinned.push(definition.name().to_owned());
                }
            }
        }
        // No version of it was to be had whose digests two places agree on: its publisher's list vouches.
        assert_eq!(unpinned, ["forgejo"]);
    }

    #[test]
    fn no_two_definitions_have_a_name_in_common() {
        let catalogue = Catalogue::builtin();
        let mut names: Vec<&str> = Vec::new();
        for definition in catalogue.iter() {
            names.push(definition.name());
            names.extend(definition.spec().aliases.iter().map(String::as_str));
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
