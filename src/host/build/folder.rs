//! A recipe's folder: `recipe.yaml`, and `root/` beside it.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use trustnet_core::recipe::{Content, InputFile};

use crate::error::HostError;

/// A recipe as its folder has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `recipe.yaml`, byte for byte.
    pub recipe: Vec<u8>,
    /// What is laid over the root.
    pub overlay: Vec<InputFile>,
}

/// Reads what is to be laid over the root; nothing where there is no such folder. Of a folder only what is in it
/// counts, of a file whether it can be run.
///
/// # Errors
/// Something cannot be read, or is neither file, folder nor link.
pub fn read_overlay(root: &Path) -> Result<Vec<InputFile>, HostError> {
    let mut files = Vec::new();
    if root.exists() {
        collect(root, root, &mut files).map_err(HostError::file("read", root))?;
    }
    files.sort();
    Ok(files)
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<InputFile>) -> io::Result<()> {
    let mut empty = true;
    for entry in fs::read_dir(folder)? {
        empty = false;
        let path = entry?.path();
        let facts = path.symlink_metadata()?;
        let content = if facts.is_dir() {
            collect(root, &path, files)?;
            continue;
        } else if facts.is_symlink() {
            Content::Link(fs::read_link(&path)?.into_os_string().into_vec())
        } else if !facts.is_file() {
            let message = format!("`{}` is neither file, folder nor link", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        } else if facts.permissions().mode() & 0o111 != 0 {
            Content::Program(fs::read(&path)?)
        } else {
            Content::File(fs::read(&path)?)
        };
        files.push(file(root, &path, content));
    }
    if empty && folder != root {
        files.push(file(root, folder, Content::Folder));
    }
    Ok(())
}

fn file(root: &Path, path: &Path, content: Content) -> InputFile {
    let path = path.strip_prefix(root).unwrap_or(path);
    InputFile {
        path: path.as_os_str().as_bytes().to_vec(),
        content,
    }
}

/// Writes what is to be laid over the root into a folder that is there.
pub(super) fn write_overlay(files: &[InputFile], root: &Path) -> io::Result<()> {
    for InputFile { path, content } in files {
        let path = root.join(OsStr::from_bytes(path));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        match content {
            Content::Folder => fs::create_dir_all(&path)?,
            Content::Link(target) => symlink(OsStr::from_bytes(target), &path)?,
            Content::File(bytes) => fs::write(&path, bytes)?,
            Content::Program(bytes) => {
                fs::write(&path, bytes)?;
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
            }
        }
    }
    Ok(())
}
