//! User-data that replaces the generated one.

use trustnet_api::cloud_init::CloudInit;
use trustnet_api::secret::SecretString;

use super::report::Report;
use super::secret;
use crate::load::yaml;
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

/// Checks the text of user-data, inline or read by reference.
pub(super) fn check(path: &str, text: &str, report: &mut Report) {
    if !HEADERS.iter().any(|header| text.starts_with(header)) {
        let known = HEADERS.map(|header| format!("`{header}`")).join(", ");
        report
            .error(
                path,
                "cloud-init cannot tell what kind of user-data this is",
            )
            .hint(format!("begin the first line with one of {known}"));
        return;
    }
    let found = if text.starts_with("#cloud-config") {
        cloud_config(path, text, report)
    } else if text.starts_with("#!") || text.starts_with("#include") {
        None
    } else {
        // A template or several parts: read as lines.
        let keys = ["ssh_keys", "ssh_deletekeys"].into_iter();
        let mut keys = keys.filter(|key| {
            text.lines().any(|line| {
                line.strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start().starts_with(':'))
            })
        });
        keys.next()
    };
    if let Some(key) = found {
        report
            .error(path, format!("the user-data sets `{key}`"))
            .hint("leave it out: trustnet-vm makes the guest's SSH host key, pins it and verifies it, and hears through its vendor-data when the guest is ready");
    }
}

/// The key of a `#cloud-config` that would take the host key or the vendor-data away.
fn cloud_config(path: &str, text: &str, report: &mut Report) -> Option<&'static str> {
    let (documents, problems) = yaml::parse(text);
    // What cloud-init reads although we would not, a key that is there twice, has a document.
    if let Some(problem) = problems.first().filter(|_| documents.is_empty()) {
        let line = problem.place.map_or(1, |place| place.line);
        report
            .error(
                path,
                format!("line {line} of the user-data: {}", problem.message),
            )
            .hint("cloud-init would ignore all of it");
        return None;
    }
    let config = documents.first()?;
    let keys = ["ssh_keys", "ssh_deletekeys"].into_iter();
    let mut keys = keys.filter(|key| config.get(key).is_some());
    keys.next().or_else(|| {
        let enabled = config.get("vendor_data")?.get("enabled")?.text();
        let on = |text: &str| {
            matches!(
                text.to_ascii_lowercase().as_str(),
                "true" | "yes" | "on" | "1"
            )
        };
        enabled
            .is_some_and(|text| !on(text))
            .then_some("vendor_data.enabled: false")
    })
}
