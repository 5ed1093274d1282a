//! meta-data: who the instance is.

use serde::Serialize;

use super::yaml;
use crate::vm::Guest;

pub(super) fn render(instance_id: &str, guest: &Guest) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct MetaData<'a> {
        instance_id: &'a str,
        /// The host name where user-data, being the user's own, says none.
        local_hostname: &'a str,
    }
    let local_hostname = guest.fqdn.as_deref().unwrap_or(&guest.hostname);
    yaml::document(&MetaData {
        instance_id,
        local_hostname,
    })
}
