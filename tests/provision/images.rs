//! Container images, brought into a guest whose Docker or Podman is a stand-in that writes down how it is called.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;
use trustnet_core::artifact::Digest;
use trustnet_core::provision::{Pinned, Program};

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, bring, inside, program_of};

const WEB: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: web }
spec:
  version: \"1.0\"
  artifacts:
    - { name: image, oci: { image: registry.example/web } }
";

/// Takes an image as the real ones do, by the path of its archive.
const LOADER: &str = r#"#!/bin/sh
[ "$# $1 $2" = '3 load -i' ] || exit 99
printf '%s load %s\n' "${0##*/}" "$(sha256sum <"$3" | cut -d ' ' -f 1)" >>/var/log/loaded
echo 'Loaded image: registry.example/web:1.0'
[ ! -e /etc/full ] || { echo 'no space left on device' >&2; exit 1; }
"#;

/// A guest that has neither, whatever the machine below has.
fn guest() -> Sshd {
    let guest = Sshd::in_root();
    let hide = "for folder in /usr/bin /usr/sbin /bin /sbin /usr/local/bin /usr/local/sbin; do
        for name in docker podman; do
            [ ! -e $folder/$name ] || mount --bind /dev/null $folder/$name
        done
    done";
    inside(&guest, hide);
    guest
}

fn install(guest: &Sshd, name: &str) {
    fs::create_dir_all(guest.path("/opt/loader")).expect("a folder");
    let path = guest.path(&format!("/opt/loader/{name}"));
    fs::write(&path, LOADER).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("a mode");
    // A mount that hides the machine's own is not to be written over.
    inside(
        guest,
        &format!("p=/usr/local/bin/{name}; umount $p 2>/dev/null; cp /opt/loader/{name} $p"),
    );
}

fn image(store: &Folder, bytes: &[u8]) -> (Program, String) {
    store.put(bytes);
    let digest = Digest::of(bytes);
    let pinned = Pinned::Image(digest, "registry.example/web:1.0".to_owned());
    let things = Things {
        artifacts: [("image".to_owned(), pinned)].into(),
        ..Things::default()
    };
    let program = program_of(&[WEB], json!([{"name": "web"}]), &things);
    (program, digest.to_string())
}

fn loaded(guest: &Sshd) -> String {
    fs::read_to_string(guest.path("/var/log/loaded")).unwrap_or_default()
}

#[test]
fn an_image_is_loaded_once_and_again_when_it_is_another() {
    let guest = guest();
    let store = Folder::beside(&guest);
    install(&guest, "docker");
    install(&guest, "podman");
    let (first, digest) = image(&store, b"an image");
    assert_eq!(bring(&guest, &first, &store).taken(), 1);
    // Where both are there, it is Docker's.
    let once = format!("docker load {digest}\n");
    assert_eq!(loaded(&guest), once);
    assert_eq!(bring(&guest, &first, &store).taken(), 0);
    assert_eq!(loaded(&guest), once);
    let (second, other) = image(&store, b"another image");
    assert_eq!(bring(&guest, &second, &store).taken(), 1);
    assert_eq!(loaded(&guest), format!("{once}docker load {other}\n"));
    let sent = guest.path("/var/cache/trustnet-vm");
    assert_eq!(fs::read_dir(sent).expect("the folder").count(), 0);
}

#[test]
fn an_image_goes_to_podman_where_there_is_no_docker_and_a_load_that_fails_is_done_again() {
    let guest = guest();
    let store = Folder::beside(&guest);
    let (program, digest) = image(&store, b"an image");
    let neither = bring(&guest, &program, &store).error();
    let told = "neither docker nor podman is here to take the image";
    assert!(neither.contains(told), "{neither}");
    install(&guest, "podman");
    fs::write(guest.path("/etc/full"), "").expect("a file");
    let full = bring(&guest, &program, &store);
    assert!(full.error().contains("exit status 1"), "{}", full.error());
    assert!(
        full.lines.contains(&"| no space left on device".to_owned()),
        "{:?}",
        full.lines
    );
    fs::remove_file(guest.path("/etc/full")).expect("it goes");
    assert_eq!(bring(&guest, &program, &store).taken(), 1);
    assert_eq!(loaded(&guest), format!("podman load {digest}\n").repeat(2));
}
