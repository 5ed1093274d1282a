//! The configuration file of a node.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use serde_json::Value;
use trustnet_api::network::NodeConfig;
use trustnet_api::schema;
use trustnet_core::load::{self, MAX_BYTES};
use trustnet_core::network::NodeSettings;
use trustnet_core::problem::Problem;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::configuration::<NodeConfig>);

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("read the configuration `{path}`: {source}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
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
pub fn read(path: &Path) -> Result<NodeSettings, SettingsError> {
    let bytes = bytes(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })?;
    let wrong = |problems| SettingsError::Wrong {
        path: path.to_owned(),
        problems,
    };
    let check = |config: &NodeConfig| NodeSettings::resolve(config).err().unwrap_or_default();
    let config = load::configuration(&bytes, &SCHEMA, check).map_err(wrong)?;
    NodeSettings::resolve(&config).map_err(wrong)
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn told(path: &Path, problems: &[Problem]) -> String {
    let lines = problems.iter().map(|problem| {
        let place = problem.place.map_or_else(
            || path.display().to_string(),
            |place| format!("{}:{}:{}", path.display(), place.line, place.column),
        );
        let hint = problem.hint.as_ref();
        let hint = hint.map_or_else(String::new, |hint| format!("\n  hint: {hint}"));
        format!("{place}: {problem}{hint}")
    });
    lines.collect::<Vec<_>>().join("\n")
}
