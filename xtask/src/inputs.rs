//! What a build is made of in this repository.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

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
    use super::digest;
    use crate::paths;

    #[test]
    fn the_digest_is_the_same_for_the_same_tree_and_depends_on_what_is_in_it() {
        let root = paths::repository();
        let of = |name: &str| digest(&root, &[root.join(name)]).expect("the tree can be read");
        assert_eq!(of("images/debian-12"), of("images/debian-12"));
        assert_ne!(of("images/debian-12"), of("images/debian-12/recipe.yaml"));
    }
}
