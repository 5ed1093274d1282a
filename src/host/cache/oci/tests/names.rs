//! The names of images and of registries.

use super::super::ImageName;
use super::super::registry::is_loopback;
use super::name;

#[test]
fn plain_http_goes_to_this_machine_only() {
    for host in [
        "127.0.0.1:5000",
        "127.9.9.9",
        "localhost:1",
        "localhost",
        "[::1]:5000",
    ] {
        assert!(is_loopback(host), "{host}");
    }
    for host in [
        "index.docker.io",
        "localhost.example.org",
        "127.0.0.1.example.org:80",
        "192.0.2.1:5000",
        "[2001:db8::1]:5000",
        "0.0.0.0:5000",
        "",
    ] {
        assert!(!is_loopback(host), "{host}");
    }
}

#[test]
fn names_are_read_as_engines_read_them() {
    for (text, whole, pinned) in [
        ("nginx", "docker.io/library/nginx:latest", false),
        (
            "vaultwarden/server:1.37.1",
            "docker.io/vaultwarden/server:1.37.1",
            false,
        ),
        ("localhost:5000/a/b:1", "localhost:5000/a/b:1", false),
    ] {
        let name = name(text);
        assert_eq!(
            (name.to_string().as_str(), name.is_pinned()),
            (whole, pinned)
        );
    }
    let digest = format!("sha256:{}", "ab".repeat(32));
    let pinned = name(&format!("a/b:1@{digest}"));
    assert!(pinned.is_pinned());
    assert_eq!(pinned.to_string(), format!("docker.io/a/b:1@{digest}"));
    for text in [
        "",
        "a b",
        "a/B",
        "a@sha256:12",
        &format!("a@sha256:{}", "AB".repeat(32)),
        "a/../b:1",
        "-a\n",
    ] {
        assert!(ImageName::parse(text).is_err(), "{text}");
    }
}
