//! The configuration file of the registry.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde::de::DeserializeOwned;
use serde_json::Value;
use trustnet_api::network::RegistryConfig;
use trustnet_core::load::{self, MAX_BYTES};
use trustnet_core::network::RegistrySettings;
use trustnet_core::problem::Problem;

use crate::file;

static SCHEMA: LazyLock<Value> =
    LazyLock::new(trustnet_api::schema::configuration::<RegistryConfig>);

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("failed to read the configuration `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("failed to write the configuration `{path}`: {source}")]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file's text cannot be changed.
    #[error(
        "failed to write `{field}` into `{path}`: there is no line for it; write it there yourself"
    )]
    Edit {
        /// Which.
        path: PathBuf,
        /// The field.
        field: &'static str,
    },
    /// The file is wrong.
    #[error("{}", told(path, problems))]
    Wrong {
        /// Which.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Vec<Problem>,
    },
}

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read, or is wrong: all that is wrong is said at once.
pub fn read(path: &Path) -> Result<RegistrySettings, SettingsError> {
    read_as(path, &SCHEMA, RegistrySettings::resolve)
}

/// Reads a configuration file of this schema, whose settings another service knows.
///
/// # Errors
/// As [`read`].
pub fn read_as<C: DeserializeOwned, S>(
    path: &Path,
    schema: &Value,
    resolve: impl Fn(&C) -> Result<S, Vec<Problem>>,
) -> Result<S, SettingsError> {
    let bytes = bytes(path)?;
    let wrong = |problems| SettingsError::Wrong {
        path: path.to_owned(),
        problems,
    };
    let check = |config: &C| resolve(config).err().unwrap_or_default();
    let config = load::configuration(&bytes, schema, check).map_err(wrong)?;
    resolve(&config).map_err(wrong)
}

fn bytes(path: &Path) -> Result<Vec<u8>, SettingsError> {
    use std::io::Read as _;
    let failed = |source| SettingsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    file.take(most).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Writes another port into a configuration file: whole or not at all, and nothing else of it changes.
///
/// # Errors
/// The file cannot be read or written, or has no line for it.
pub fn write_port(path: &Path, port: u16) -> Result<(), SettingsError> {
    let at = ("registry.port", "registry.ipv6_address");
    edit(path, at.0, |text| {
        load::with_number(text, at.0, at.1, u64::from(port))
    })
}

/// Changes a field of a configuration file: whole or not at all.
///
/// # Errors
/// The file cannot be read or written, or nothing comes of the change.
pub fn edit(
    path: &Path,
    field: &'static str,
    change: impl FnOnce(&str) -> Option<String>,
) -> Result<(), SettingsError> {
    let nothing = || SettingsError::Edit {
        path: path.to_owned(),
        field,
    };
    let text = String::from_utf8(bytes(path)?).map_err(|_| nothing())?;
    let edited = change(&text).ok_or_else(nothing)?;
    file::replace(path, edited.as_bytes()).map_err(|source| SettingsError::Write {
        path: path.to_owned(),
        source,
    })
}

fn told(path: &Path, problems: &[Problem]) -> String {
    let line = |problem: &Problem| {
        let place = problem.place.map_or_else(
            || path.display().to_string(),
            |place| format!("{}:{}:{}", path.display(), place.line, place.column),
        );
        let hint = problem.hint.as_ref();
        let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
        format!("{place}: {problem}{hint}")
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{SettingsError, read, write_port};
    use std::os::unix::fs::PermissionsExt as _;

    const FILE: &str = "# mine\nregistry:\n  role: root\n  ipv6_address: \"::1\" # here\n  port: 8000\ndatabase:\n  path: /data/registry.db\n";

    #[test]
    fn another_port_is_written_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("registry.yml");
        std::fs::write(&path, FILE).expect("written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("set");
        let link = folder.path().join("link.yml");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        write_port(&link, 8003).expect("written");
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, FILE.replace("8000", "8003"));
        let mode = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o640);
        assert_eq!(read(&link).expect("valid").port, 8003);
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            2
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("registry.yml");
        std::fs::write(&path, FILE.replace("role: root", "rolle: root")).expect("written");
        let error = read(&path).expect_err("refused");
        let text = error
            .to_string()
            .replace(&path.display().to_string(), "FILE");
        let expected = "FILE:2:1: `registry.role`: `role` is missing\n  hint: add `role`: what it is in its network\n\
             FILE:3:3: `registry.rolle`: `rolle` is not known\n  hint: did you mean `role`?";
        assert_eq!(text, expected);
        assert!(matches!(
            read(folder.path()),
            Err(SettingsError::Read { .. })
        ));
    }
}
