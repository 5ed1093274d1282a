//! User-data that replaces the generated one.

use trustnet_api::cloud_init::CloudInit;
use trustnet_api::secret::SecretString;

use super::report::Report;
use super::secret;
use crate::vm::SecretValue;

/// What cloud-init knows user-data by.
const HEADERS: [&str; 5] = [
    "#cloud-config",
    "#!",
    "#include",
    "## template:",
    "Content-Type:",
];

pub(super) fn resolve(
    root: &str,
    raw: &SecretString,
    init: &CloudInit,
    report: &mut Report,
) -> SecretValue {
    let path = format!("{root}.rawUserData");
    if let SecretString::Inline(text) = raw {
        check(&path, text, report);
    }
    let replaced = [
        ("sshAuthorizedKeys", !init.ssh_authorized_keys.is_empty()),
        ("passwordHash", init.password_hash.is_some()),
        ("sshPasswordAuth", init.ssh_password_auth.is_some()),
        ("users", !init.users.is_empty()),
        ("packages", !init.packages.is_empty()),
        ("files", !init.files.is_empty()),
        ("runCommands", !init.run_commands.is_empty()),
        ("timezone", init.timezone.is_some()),
        ("locale", init.locale.is_some()),
    ];
    for (key, given) in replaced {
        if given {
            report
                .lenient(
                    format!("{root}.{key}"),
                    format!("`rawUserData` replaces what `{key}` would say"),
                )
                .hint(format!("say it in `rawUserData`, and leave `{key}` out"));
        }
    }
    secret::resolve(&path, raw, report)
}

/// Checks the text of user-data; also for text that was read by reference.
fn check(path: &str, text: &str, report: &mut Report) {
    if !HEADERS.iter().any(|header| text.starts_with(header)) {
        let known = HEADERS.map(|header| format!("`{header}`")).join(", ");
        report
            .error(
                path,
                "cloud-init cannot tell what kind of user-data this is",
            )
            .hint(format!("begin the first line with one of {known}"));
    }
}
