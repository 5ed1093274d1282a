//! A base image's recipe: `images/<name>/recipe.yaml`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};

const API_VERSION: &str = "trustnet.io/v1alpha1";
const KIND: &str = "Image";

/// What a recipe file says.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recipe {
    api_version: String,
    kind: String,
    /// What it is called.
    pub metadata: Metadata,
    /// What it is made of.
    pub spec: Spec,
}

/// What an image is called.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The name under which specs ask for it.
    pub name: String,
}

/// What an image is made of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Spec {
    /// Debian's suite.
    pub suite: String,
    /// Debian's architecture.
    pub architecture: String,
    /// What the guest's apt uses.
    pub mirror: String,
    /// What the guest's apt uses for security updates.
    pub security_mirror: String,
    /// The size of the root file system.
    #[serde(rename = "rootMiB")]
    pub root_mib: u32,
    /// The size of the EFI system partition.
    #[serde(rename = "espMiB")]
    pub esp_mib: u32,
    /// What the kernel is told.
    pub kernel_command_line: String,
    /// What is installed beside the essential packages.
    pub packages: Vec<String>,
    /// Units that never start.
    pub mask: Vec<String>,
}

impl Recipe {
    /// Reads the recipe in a directory.
    pub fn read(directory: &Path) -> Result<Self> {
        let path = directory.join("recipe.yaml");
        let text = fs::read_to_string(&path)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        let recipe: Self = serde_saphyr::from_str(&text)
            .with_context(|| format!("failed to read `{}`", path.display()))?;
        if recipe.api_version != API_VERSION || recipe.kind != KIND {
            bail!("`{}` is not a `{KIND}` of `{API_VERSION}`", path.display());
        }
        Ok(recipe)
    }
}

/// The digest of everything that a build depends on in this repository: paths and bytes, in order.
pub fn digest(root: &Path, inputs: &[PathBuf]) -> Result<String> {
    let mut files = Vec::new();
    for input in inputs {
        collect(input, &mut files)?;
    }
    files.sort();
    let mut hasher = Sha256::new();
    for file in files {
        let bytes =
            fs::read(&file).with_context(|| format!("failed to read `{}`", file.display()))?;
        let name = file
            .strip_prefix(root)
            .unwrap_or(&file)
            .as_os_str()
            .as_encoded_bytes();
        for part in [name, &bytes] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
    }
    Ok(hasher
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        files.push(path.to_path_buf());
        return Ok(());
    }
    for entry in
        fs::read_dir(path).with_context(|| format!("failed to list `{}`", path.display()))?
    {
        collect(
            &entry
                .with_context(|| format!("failed to list `{}`", path.display()))?
                .path(),
            files,
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Recipe, digest};
    use crate::paths;

    #[test]
    fn every_recipe_in_the_tree_can_be_read() {
        let recipe = Recipe::read(&paths::repository().join("images/debian-12"))
            .expect("the recipe is sound");
        assert_eq!(recipe.metadata.name, "debian-12");
    }

    #[test]
    fn the_digest_is_the_same_for_the_same_tree_and_depends_on_what_is_in_it() {
        let root = paths::repository();
        let of = |name: &str| digest(&root, &[root.join(name)]).expect("the tree can be read");
        assert_eq!(of("images/debian-12"), of("images/debian-12"));
        assert_ne!(of("images/debian-12"), of("images/debian-12/recipe.yaml"));
    }
}
