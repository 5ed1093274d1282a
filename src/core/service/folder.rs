//! Folders of the guest that belong to nobody alone.

/// Whether others have files in that folder: one that is unpacked into is put in place whole, and goes whole.
pub(crate) fn is_shared(path: &str) -> bool {
    const SHARED: [&str; 32] = [
        "bin",
        "boot",
        "dev",
        "etc",
        "home",
        "lib",
        "lib32",
        "lib64",
        "media",
        "mnt",
        "opt",
        "proc",
        "root",
        "run",
        "sbin",
        "srv",
        "sys",
        "tmp",
        "usr",
        "usr/bin",
        "usr/include",
        "usr/lib",
        "usr/libexec",
        "usr/local",
        "usr/sbin",
        "usr/share",
        "var",
        "var/cache",
        "var/lib",
        "var/log",
        "var/opt",
        "var/tmp",
    ];
    let path = path.trim_matches('/');
    // What is so below /usr is so below /usr/local.
    let local = path
        .strip_prefix("usr/local/")
        .map(|below| format!("usr/{below}"));
    let path = local.as_deref().unwrap_or(path);
    path.is_empty()
        || SHARED.contains(&path)
        || matches!(path, "usr/etc" | "usr/man" | "usr/src" | "usr/games")
}

#[cfg(test)]
mod tests {
    use super::is_shared;

    #[test]
    fn folders_that_others_have_files_in_are_known() {
        for path in [
            "/",
            "/usr",
            "/usr/local",
            "/usr/local/bin",
            "/usr/local/lib",
            "/etc",
            "/opt",
            "/bin",
            "/var/lib",
        ] {
            assert!(is_shared(path), "{path}");
        }
        for path in [
            "/opt/caddy",
            "/usr/local/go",
            "/usr/lib/go",
            "/srv/www",
            "/etc/app",
            "/data",
        ] {
            assert!(!is_shared(path), "{path}");
        }
    }
}
