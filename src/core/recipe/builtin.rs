//! The recipes that the program brings: `images/NAME/`, in it from when it was built.

use super::inputs::{Content, InputFile};

/// A recipe that the program brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Builtin {
    /// What it is called.
    pub name: &'static str,
    /// Its file.
    pub text: &'static str,
    /// What is laid over the root: paths and texts.
    files: &'static [(&'static str, &'static str)],
}

impl Builtin {
    /// What is laid over the root.
    #[must_use]
    pub fn overlay(&self) -> Vec<InputFile> {
        let file = |(path, text): &(&str, &str)| InputFile {
            path: path.as_bytes().to_vec(),
            content: Content::File(text.as_bytes().to_vec()),
        };
        self.files.iter().map(file).collect()
    }
}

/// Names `images/RECIPE/root/PATH` with its text.
macro_rules! files {
    ($recipe:literal: $($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../images/", $recipe, "/root/", $path)))),+]
    };
}

const BUILTIN: &[Builtin] = &[Builtin {
    name: "debian-12",
    text: include_str!("../../../images/debian-12/recipe.yaml"),
    files: files![
        "debian-12":
        "etc/cloud/cloud.cfg.d/90-trustnet.cfg",
        "etc/fstab",
        "etc/initramfs-tools/conf.d/trustnet",
        "etc/systemd/system/systemd-networkd-wait-online.service.d/any.conf",
        "usr/share/initramfs-tools/modules.d/trustnet",
    ],
}];

/// The recipe of that name that the program brings.
#[must_use]
pub fn builtin(name: &str) -> Option<Builtin> {
    BUILTIN.iter().find(|known| known.name == name).copied()
}

/// The names of those that there are.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    BUILTIN.iter().map(|known| known.name)
}

#[cfg(test)]
#[expect(
    clippy::disallowed_methods,
    reason = "the folders are what is compared with"
)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::BUILTIN;
    use crate::load;
    use crate::recipe::Recipe;

    fn images() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images")
    }

    fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                files_below(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_file_of_a_recipe_is_in_the_program() {
        for recipe in BUILTIN {
            let root = images().join(recipe.name).join("root");
            let mut files = Vec::new();
            files_below(&root, &mut files);
            files.sort();
            let listed: Vec<PathBuf> = recipe
                .files
                .iter()
                .map(|(path, _)| root.join(path))
                .collect();
            assert_eq!(files, listed, "{}", recipe.name);
        }
    }

    #[test]
    fn every_folder_with_a_recipe_is_in_the_program_and_its_recipe_keeps_the_rules() {
        let mut folders: Vec<String> = std::fs::read_dir(images())
            .expect("the folder")
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.path().join("recipe.yaml").exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        folders.sort();
        assert_eq!(folders, super::builtin_names().collect::<Vec<_>>());
        for recipe in BUILTIN {
            let (mut documents, problems) = load::load_recipes(recipe.text.as_bytes());
            assert_eq!(problems, [], "{}", recipe.name);
            let document = documents.pop().expect("a recipe");
            let read = Recipe::new(document.object).expect("a sound recipe");
            assert_eq!(read.name(), recipe.name);
        }
    }
}
