//! What Foundry's own files may hold. Foundry ignores every other key, and so do we in its files.

/// The fields that Foundry knows, without the indices of lists.
const KNOWN: &[&str] = &[
    "apiVersion",
    "kind",
    "metadata",
    "metadata.name",
    "metadata.labels",
    "metadata.annotations",
    "metadata.generation",
    "spec",
    "spec.vcpus",
    "spec.memoryGiB",
    "spec.cpuMode",
    "spec.storagePool",
    "spec.autostart",
    "spec.bootDisk",
    "spec.bootDisk.sizeGB",
    "spec.bootDisk.image",
    "spec.bootDisk.empty",
    "spec.bootDisk.imagePool",
    "spec.bootDisk.format",
    "spec.dataDisks",
    "spec.dataDisks[].device",
    "spec.dataDisks[].sizeGB",
    "spec.networkInterfaces",
    "spec.networkInterfaces[].ip",
    "spec.networkInterfaces[].gateway",
    "spec.networkInterfaces[].bridge",
    "spec.networkInterfaces[].dnsServers",
    "spec.networkInterfaces[].defaultRoute",
    "spec.networkInterfaces[].vlan",
    "spec.networkInterfaces[].pxeBoot",
    "spec.cloudInit",
    "spec.cloudInit.fqdn",
    "spec.cloudInit.sshAuthorizedKeys",
    "spec.cloudInit.passwordHash",
    "spec.cloudInit.sshPasswordAuth",
    "spec.cloudInit.sshPwauth",
    "spec.cloudInit.rawUserData",
    "status",
];

/// Fields below which anything goes: free mappings, and our own forms of a secret.
const FREE: &[&str] = &[
    "metadata.labels",
    "metadata.annotations",
    "spec.cloudInit.passwordHash",
    "spec.cloudInit.rawUserData",
];

pub(super) fn knows(path: &str) -> bool {
    let mut general = String::new();
    let mut inside = false;
    for c in path.chars() {
        match c {
            '[' => {
                inside = true;
                general.push('[');
            }
            ']' => {
                inside = false;
                general.push(']');
            }
            c if !inside => general.push(c),
            _ => {}
        }
    }
    KNOWN.contains(&general.as_str()) || FREE.iter().any(|free| crate::path::is_within(path, free))
}
