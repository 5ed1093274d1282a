//! The configuration file of a node.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::Value;
use trustnet_api::network::NodeConfig;
use trustnet_api::schema;
use trustnet_core::load;
use trustnet_core::network::NodeSettings;
use trustnet_registry::settings::{SettingsError, edit, read_as};

static SCHEMA: LazyLock<Value> = LazyLock::new(schema::configuration::<NodeConfig>);

/// Reads a configuration file.
///
/// # Errors
/// It cannot be read, or is wrong: all that is wrong is said at once.
pub fn read(path: &Path) -> Result<NodeSettings, SettingsError> {
    read_as(path, &SCHEMA, NodeSettings::resolve)
}

/// Writes another port of the node into a configuration file, and changes nothing else of it.
///
/// # Errors
/// The file cannot be written, or has no line for it.
pub fn write_port(path: &Path, port: u16) -> Result<(), SettingsError> {
    let at = ("node.port", "node.ipv6_address");
    edit(path, at.0, |text| {
        load::with_number(text, at.0, at.1, u64::from(port))
    })
}

/// Writes where the integrated registry answers into a configuration file, and changes nothing else of it.
///
/// # Errors
/// The file cannot be written, or has no line for it.
pub fn write_registry(path: &Path, address: SocketAddr) -> Result<(), SettingsError> {
    let at = ("registry.address", "registry.type");
    let address = address.to_string();
    edit(path, at.0, |text| {
        load::with_text(text, at.0, at.1, &address)
    })
}

#[cfg(test)]
mod tests {
    use trustnet_core::network::NodeRegistry;

    use super::{read, write_port, write_registry};

    const FILE: &str = "\
node: # mine
  name: a
  domain: example.net
  ipv6_address: \"::1\"
registry:
  type: integrated # yes
  address: \"127.0.0.1:8000\"
";

    #[test]
    fn other_ports_are_written_and_the_rest_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("node.yml");
        std::fs::write(&path, FILE).expect("written");
        write_port(&path, 9003).expect("written");
        write_registry(&path, "[::1]:8002".parse().expect("valid")).expect("written");
        let text = std::fs::read_to_string(&path).expect("read");
        let wanted = FILE.replace("127.0.0.1:8000", "[::1]:8002");
        let wanted = wanted.replace("\"::1\"\n", "\"::1\"\n  port: 9003\n");
        assert_eq!(text, wanted);
        let settings = read(&path).expect("valid");
        assert_eq!(settings.port, 9003);
        let NodeRegistry::Integrated { port, .. } = settings.registry else {
            panic!("it is integrated")
        };
        assert_eq!(port, 8002);
    }
}
