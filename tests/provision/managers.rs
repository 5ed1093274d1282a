//! Package managers other than apt, and what a guest says of itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;
use trustnet_core::guest_os;
use trustnet_core::provision::Program;
use trustnet_host::provision::{ProvisionError, check};

use crate::roots::{dnf_guest, openrc_guest};
use crate::sshd::Sshd;
use crate::stage::{Folder, Things, Told, bring, bring_expecting, program_of, uninstall_of};

const HELLO: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: hello }
spec:
  version: \"1.0\"
  artifacts:
    - { name: packages, packages: { apt: [hello-deb], dnf: [hello-tvm], apk: [hello, hello-doc] } }
  uninstall: { packages: [hello-deb, hello-tvm, hello] }
";

/// A package, and the archive that it is in.
const REPOSITORY: &str = r#"
set -e
mkdir -p /srv/repo /etc/yum.repos.d /tmp/build
cat > /tmp/build/hello.spec <<'SPEC'
Name: hello-tvm
Version: 1.0
Release: 1
Summary: says hello
License: MIT
BuildArch: noarch
AutoReqProv: no
%description
Says hello.
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/bin/sh\necho hello\n' > %{buildroot}/usr/bin/hello-tvm
chmod 755 %{buildroot}/usr/bin/hello-tvm
%files
/usr/bin/hello-tvm
SPEC
rpmbuild --quiet --define '_topdir /tmp/build' --define '_rpmdir /srv/repo' -bb /tmp/build/hello.spec
createrepo_c --quiet /srv/repo
rm -f /etc/yum.repos.d/*
cat > /etc/yum.repos.d/local.repo <<'REPO'
[local]
name=local
baseurl=file:///srv/repo
enabled=1
gpgcheck=0
REPO
"#;

fn ask(guest: &Sshd, command: &str) -> String {
    let mut said = Vec::new();
    let limit = Duration::from_secs(60);
    let mut shell = guest.connect();
    let mut each = |_, bytes: &[u8]| said.extend_from_slice(bytes);
    let exit = shell
        .run(command, &mut std::io::empty(), limit, &mut each)
        .expect("it runs");
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(exit.is_success(), "{said}");
    said
}

fn is_os(guest: &Sshd, os: &str) {
    let (id, version) = os.split_once('-').expect("a version");
    let path = guest.path("/etc/os-release");
    // It is a link to the machine's.
    fs::remove_file(&path).expect("it is gone");
    fs::write(path, format!("ID={id}\nVERSION_ID=\"{version}\"\n")).expect("a write");
}

fn hello() -> Program {
    program_of(&[HELLO], json!([{"name": "hello"}]), &Things::default())
}

fn brought(guest: &Sshd, program: &Program) -> (usize, Vec<String>) {
    let Told { result, lines } = bring(guest, program, &Folder(guest.shared("none")));
    let outcome = result.unwrap_or_else(|error| panic!("{error}\n{lines:#?}"));
    (outcome.taken, lines)
}

#[test]
fn dnf_installs_a_package_from_an_archive_notices_that_it_is_gone_and_removes_it() {
    let Some(guest) = dnf_guest() else { return };
    ask(&guest, REPOSITORY);
    assert_eq!(brought(&guest, &hello()).0, 1);
    assert_eq!(ask(&guest, "hello-tvm"), "hello\n");
    assert_eq!(brought(&guest, &hello()).0, 0);

    ask(&guest, "rpm -e hello-tvm");
    assert_eq!(
        brought(&guest, &hello()).0,
        1,
        "a package that is gone is noticed"
    );
    assert_eq!(ask(&guest, "hello-tvm"), "hello\n");

    let out = uninstall_of(&[HELLO], json!([{"name": "hello"}]));
    brought(&guest, &out);
    assert_eq!(
        ask(&guest, "rpm -q hello-tvm || true"),
        "package hello-tvm is not installed\n"
    );
    // Once more: there is nothing left to remove.
    brought(&guest, &out);
}

#[test]
fn a_package_that_dnf_does_not_find_fails_with_its_words() {
    let Some(guest) = dnf_guest() else { return };
    ask(
        &guest,
        &format!("{REPOSITORY}rm -rf /srv/repo/*; createrepo_c --quiet /srv/repo"),
    );
    let told = bring(&guest, &hello(), &Folder(guest.shared("none")));
    let why = told.result.expect_err("it is not there").to_string();
    assert!(why.contains("hello-tvm"), "{why}");

    let text = HELLO.replace("dnf: [hello-tvm], ", "");
    let program = program_of(&[&text], json!([{"name": "hello"}]), &Things::default());
    let told = bring(&guest, &program, &Folder(guest.shared("none")));
    let why = told.result.expect_err("nothing is said of dnf").to_string();
    assert!(
        why.contains("names no packages for this guest's package manager, dnf"),
        "{why}"
    );
}

/// Writes down how it is called, and keeps a list of what is installed. Not the real one: no package of it is
/// to be had where these tests run.
const APK: &str = r#"#!/bin/sh
printf '%s\n' "apk $*" >> /var/log/apk
world=/var/lib/apk-world
case "$1 $2" in
"add --no-progress") shift 2; for name; do echo "$name" >> $world; done ;;
"info -e") grep -qx "$3" $world ;;
del\ *) shift; for name; do sed -i "/^$name\$/d" $world; done ;;
*) exit 99 ;;
esac
"#;

#[test]
fn apk_is_called_as_a_recording_stand_in_for_it_expects() {
    let Some(guest) = openrc_guest() else { return };
    let apk = guest.path("/usr/local/bin/apk");
    fs::write(&apk, APK).expect("a write");
    fs::set_permissions(&apk, fs::Permissions::from_mode(0o755)).expect("a mode");
    let calls = || {
        let log = guest.path("/var/log/apk");
        let said = fs::read_to_string(&log).unwrap_or_default();
        fs::write(log, "").expect("a write");
        said.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(brought(&guest, &hello()).0, 1);
    assert_eq!(
        calls(),
        ["apk info -e hello", "apk add --no-progress hello hello-doc"]
    );
    assert_eq!(brought(&guest, &hello()).0, 0);
    assert_eq!(calls(), ["apk info -e hello", "apk info -e hello-doc"]);
    fs::write(guest.path("/var/lib/apk-world"), "hello-doc\n").expect("a write");
    assert_eq!(
        brought(&guest, &hello()).0,
        1,
        "a package that is gone is noticed"
    );
    calls();
    brought(&guest, &uninstall_of(&[HELLO], json!([{"name": "hello"}])));
    assert_eq!(
        calls(),
        [
            "apk info -e hello-deb",
            "apk info -e hello-tvm",
            "apk info -e hello",
            "apk del hello"
        ]
    );
}

#[test]
fn a_guest_says_what_it_is_and_one_that_packages_were_not_chosen_for_is_refused_untouched() {
    let guest = Sshd::in_root();
    for (said, os) in [
        ("debian-12", "debian-12"),
        ("ubuntu-24.04", "ubuntu-24.04"),
        ("fedora-41", "fedora-41"),
        ("alpine-3.20.3", "alpine-3.20"),
    ] {
        is_os(&guest, said);
        let report = check(&mut *guest.connect(), &Program::default()).expect("it answers");
        assert_eq!(report.facts.os, os);
    }
    let expects = |facts: &_| guest_os::fits("debian-12", facts);
    let told = bring_expecting(&guest, &hello(), &Folder(guest.shared("none")), &expects);
    assert!(
        matches!(&told.result, Err(ProvisionError::Unlike(why)) if why.starts_with("the guest is alpine-3.20, ")),
        "{:?}",
        told.result
    );
    assert_eq!(told.lines, <[&str; 0]>::default());
    assert!(!guest.path("/var/lib/trustnet-vm/state/hello").exists());
}
