//! Verbs that speak to guests: the hypervisor is a file, the guests are sshds with roots of their own.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use trustnet_core::record::Record;

use crate::home::Home;
use crate::sshd::Sshd;

/// Makes a VM whose guest is a sshd.
pub fn guest(home: &Home, name: &str, labels: &str) -> Sshd {
    let spec = home.spec(name, "");
    let text = fs::read_to_string(&spec).expect("the spec");
    let text = text.replace("metadata:\n", &format!("metadata:\n  labels: {labels}\n"));
    fs::write(&spec, &text).expect("a file");
    guest_of(home, name)
}

/// Makes the VM of `NAME.yaml`, and a sshd that is its guest.
pub fn guest_of(home: &Home, name: &str) -> Sshd {
    let spec = format!("{name}.yaml");
    home.done(["create", &spec, "--quiet"]);
    let guest = Sshd::in_root();
    answer(home, name, &guest);
    guest
}

/// Makes a sshd the guest of a VM that is there.
pub fn answer(home: &Home, name: &str, guest: &Sshd) {
    home.edit(|state| {
        for domain in state.domains.values_mut() {
            let facts = domain.facts().xml;
            if facts.name != name {
                continue;
            }
            let record = Record::parse(&facts.record.expect("a record")).expect("it is ours");
            let port = record.forwards[0].host_port.to_string();
            domain.xml = domain
                .xml
                .replace(&port, &guest.port.to_string())
                .replace(&record.host_key, &guest.host_key_public);
            guest.authorize(&record.login_key.expect("it was made with one"));
        }
    });
}

/// A systemd of a few lines, which runs what units say.
pub const SYSTEMCTL: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -*) shift ;; *) break ;; esac; done
verb=$1; shift
now=
while [ $# -gt 0 ]; do case $1 in --now) now=1; shift ;; -*) shift ;; *) break ;; esac; done
name=${1%.service}
file=/etc/systemd/system/$name.service
wants=/etc/systemd/system/multi-user.target.wants
pid=/run/pid-of-$name
runs() { [ -e "$pid" ] && kill -0 "$(cat "$pid")" 2>/dev/null; }
start() {
    ! runs || return 0
    eval "set -- $(sed -n 's/^ExecStart=//p' "$file")"
    user=$(sed -n 's/^User=//p' "$file")
    setsid setpriv --reuid="${user:-root}" --regid="${user:-root}" --clear-groups "$@" </dev/null >>"/var/log/$name.log" 2>&1 &
    echo $! >"$pid"
}
stop() {
    ! runs || kill "$(cat "$pid")"
    while runs; do sleep 0.05; done
    rm -f "$pid"
}
case $verb in
is-active) if runs; then echo active; else echo inactive; exit 3; fi ;;
enable) mkdir -p "$wants" && ln -sf "$file" "$wants/" ;;
disable) rm -f "$wants/$name.service"; [ -z "$now" ] || stop ;;
start) start ;;
stop) stop ;;
restart | reload-or-restart) stop; start ;;
default) for link in "$wants"/*.service; do [ ! -e "$link" ] || "$0" start "${link##*/}"; done ;;
esac
"#;

/// Gives a guest a systemd.
pub fn with_systemd(guest: &Sshd) {
    fs::create_dir_all(guest.path("/run/systemd/system")).expect("a folder");
    let systemctl = guest.path("/usr/local/bin/systemctl");
    fs::write(&systemctl, SYSTEMCTL).expect("a file");
    fs::set_permissions(systemctl, fs::Permissions::from_mode(0o755)).expect("a mode");
}

#[test]
fn a_command_in_one_guest_is_as_if_it_ran_here() {
    let home = Home::new();
    let _web = guest(&home, "web", "{}");
    let script = "printf 'out\\0'; echo err >&2; printf %s \"$1\"; exit 42";
    let run = home.run([
        "exec",
        "web",
        "--",
        "sh",
        "-c",
        script,
        "sh",
        "two  words'; $(id)\n",
    ]);
    assert_eq!(
        (run.out.as_str(), run.err.as_str()),
        ("out\0two  words'; $(id)\n", "err\n")
    );
    assert_eq!(run.code, Some(42));
    let killed = home.run(["exec", "web", "--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(killed.code, Some(137));
    let late = home.run(["exec", "web", "--timeout", "200ms", "--", "sleep", "60"]);
    assert_eq!(late.code, Some(4));
    assert!(
        late.err
            .starts_with("error: `web`: failed to run a command at"),
        "{}",
        late.err
    );
}

#[test]
fn a_command_in_several_guests_names_each_and_keeps_every_exit_code() {
    let home = Home::new();
    let app = guest(&home, "app", "{ tier: front }");
    let web = guest(&home, "web", "{ tier: front }");
    let _db = guest(&home, "db", "{ tier: back }");
    for (guest, code) in [(&app, "0"), (&web, "3")] {
        fs::write(guest.path("/etc/tn-code"), code).expect("a file");
    }
    let script = "echo one; echo two; read code < /etc/tn-code; exit $code";
    let args = [
        "exec",
        "-l",
        "tier=front",
        "--parallel",
        "1",
        "--",
        "sh",
        "-c",
        script,
    ];
    let run = home.run(args);
    assert_eq!(run.out, "app: one\napp: two\nweb: one\nweb: two\n");
    assert_eq!(run.code, Some(3));
    let run = home.run(["-o", "json"].into_iter().chain(args));
    let list: serde_json::Value = serde_json::from_str(&run.out).expect("JSON");
    let item = |name: &str, code: u8| serde_json::json!({ "name": name, "result": "ran", "exitCode": code, "stdout": "one\ntwo\n", "stderr": "" });
    let expected =
        serde_json::json!({ "kind": "ResultList", "items": [item("app", 0), item("web", 3)] });
    assert_eq!((list, run.code), (expected, Some(3)));
    let run = home.run(["exec", "-l", "tier=none", "--", "true"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    // One that is not there does not keep the others from it.
    let run = home.run(["exec", "app", "nobody", "--", "true"]);
    assert_eq!(run.code, Some(4), "{run:?}");
}

#[test]
fn a_command_runs_in_several_guests_at_once() {
    let home = Home::new();
    let guests = ["app", "web"].map(|name| guest(&home, name, "{ tier: front }"));
    for (guest, [mine, other]) in guests.iter().zip([["app", "web"], ["web", "app"]]) {
        for (file, mark) in [("/etc/mine", mine), ("/etc/other", other)] {
            let mark = home.path(mark).display().to_string();
            fs::write(guest.path(file), mark).expect("a file");
        }
    }
    // Each waits for what the other one leaves.
    let meet = "touch \"$(cat /etc/mine)\"; until test -e \"$(cat /etc/other)\"; do sleep 0.05; done; echo met";
    let run = home.run([
        "exec",
        "-l",
        "tier=front",
        "--timeout",
        "30s",
        "-o",
        "json",
        "--",
        "sh",
        "-c",
        meet,
    ]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(run.out.matches("met\\n").count(), 2, "{run:?}");
}

#[test]
fn another_machine_at_a_guests_address_is_refused_with_both_fingerprints() {
    let home = Home::new();
    let web = guest(&home, "web", "{}");
    let other = trustnet_host::keys::KeyPair::generate("other").expect("a key");
    home.edit(|state| {
        for domain in state.domains.values_mut() {
            domain.xml = domain.xml.replace(&web.host_key_public, other.public());
        }
    });
    let run = home.run(["exec", "web", "--", "true"]);
    assert_eq!(run.code, Some(4));
    assert!(
        run.err.contains("is not the guest's: expected SHA256:"),
        "{}",
        run.err
    );
    assert!(
        run.err.contains(", shown SHA256:") && run.err.contains("hint: "),
        "{}",
        run.err
    );
    assert!(!web.log().contains("publickey"));
}

#[test]
fn files_and_folders_go_in_and_come_back_with_their_names_and_modes() {
    let home = Home::new();
    let web = guest(&home, "web", "{}");
    let folder = home.path("tree");
    fs::create_dir_all(folder.join("sub folder")).expect("a folder");
    let names = ["plain", "sub folder/new\nline", "-rf", "$(id)'", "ü🦀"];
    for (name, mode) in names.iter().zip([0o600, 0o644, 0o755, 0o400, 0o640]) {
        fs::write(folder.join(name), name).expect("a file");
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(mode)).expect("a mode");
    }
    std::os::unix::fs::symlink("plain", folder.join("link")).expect("a link");
    let same = |one: &std::path::Path, other: &std::path::Path| {
        for name in names {
            let facts = |root: &std::path::Path| {
                let path = root.join(name);
                let mode = fs::metadata(&path)
                    .expect("it is there")
                    .permissions()
                    .mode();
                (fs::read(&path).expect("it is there"), mode)
            };
            assert_eq!(facts(one), facts(other), "{name:?}");
        }
    };
    assert_eq!(home.run(["cp", "tree", "web:/srv/tree"]).code, Some(1));
    home.done(["cp", "-r", "tree", "web:/srv/tree"]);
    same(&folder, &web.path("/srv/tree"));
    let link = fs::read_link(web.path("/srv/tree/link")).expect("a link");
    assert_eq!(link.to_str(), Some("plain"));
    // Into a folder that is there, as cp(1) does.
    home.done(["cp", "-r", "tree", "web:/srv/tree"]);
    same(&folder, &web.path("/srv/tree/tree"));
    home.done(["cp", "-r", "web:/srv/tree", "back"]);
    same(&folder, &home.path("back"));
    home.done(["cp", "tree/plain", "tree/-rf", "web:/srv"]);
    assert_eq!(fs::read(web.path("/srv/-rf")).expect("it is there"), b"-rf");
    home.done(["cp", "web:/srv/tree/sub folder/new\nline", "there"]);
    assert_eq!(
        fs::read(home.path("there")).expect("it is there"),
        names[1].as_bytes()
    );
    let run = home.run(["cp", "web:/srv/none", "none"]);
    assert_eq!(run.code, Some(4), "{run:?}");
    assert!(!home.path("none").exists() && !home.path("none.part").exists());
    assert_eq!(home.run(["cp", "tree/plain", "there"]).code, Some(1));
}

#[test]
fn an_archive_that_leaves_its_folder_writes_nothing_outside() {
    let home = Home::new();
    let web = guest(&home, "web", "{}");
    // A guest whose tar is its own.
    let tar = "#!/bin/sh\nexec cat /etc/evil.tar\n";
    fs::write(web.path("/usr/local/bin/tar"), tar).expect("a file");
    fs::set_permissions(
        web.path("/usr/local/bin/tar"),
        fs::Permissions::from_mode(0o755),
    )
    .expect("a mode");
    fs::create_dir(web.path("/srv/tree")).expect("a folder");
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_size(0);
    archive
        .append_link(&mut header, "out", home.path(""))
        .expect("a link");
    for name in ["out/pwned", "../pwned"] {
        let mut header = tar::Header::new_gnu();
        header.set_size(4);
        header.set_mode(0o4755);
        let bytes = &mut header.as_gnu_mut().expect("GNU").name;
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, &b"evil"[..]).expect("a file");
    }
    let bytes = archive.into_inner().expect("an archive");
    fs::write(web.path("/etc/evil.tar"), bytes).expect("a file");
    let run = home.run(["cp", "-r", "web:/srv/tree", "back"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(!home.path("pwned").exists());
}
