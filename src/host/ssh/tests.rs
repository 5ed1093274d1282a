//! ssh(1) itself is asked what it makes of our command and of a user's configuration.
#![expect(clippy::expect_used, reason = "a test fails where it expects")]

use std::fs;
use std::process::Command;

use trustnet_core::record::Record;

use super::{Endpoint, Session, command, endpoint, jump};
use crate::login;
use crate::paths::Paths;

fn record(interfaces: &str, cloud_init: &str) -> Record {
    let text = format!(
        r#"{{"madeBy":"0","digest":"d","hostKey":"ssh-ed25519 AAAA","volumes":[],"spec":{{
            "apiVersion":"trustnet.io/v1alpha1","kind":"VirtualMachine","metadata":{{"name":"web"}},
            "spec":{{"vcpus":1,"memory":"1Gi","bootDisk":{{"size":"4Gi","empty":true}},
            "networkInterfaces":[{interfaces}],"cloudInit":{cloud_init}}}}}}}"#
    );
    Record::parse(&text).expect("a record")
}

const UUID: &str = "11111111-2222-4333-8444-555555555555";

/// What ssh makes of the command with this configuration of the user's, a line an option.
fn asked(configuration: &str, address: &str, cloud_init: &str, uri: &str) -> String {
    let keep = |paths: &Paths| login::keep(paths, UUID, "own", "pem").expect("it is kept");
    asked_with(&keep, &[], configuration, address, cloud_init, uri)
}

/// The same with these keys and these options.
fn asked_with(
    keys: &dyn Fn(&Paths),
    more: &[&str],
    configuration: &str,
    address: &str,
    cloud_init: &str,
    uri: &str,
) -> String {
    let home = tempfile::tempdir().expect("a folder");
    let odd = home.path().join("a 100% odd folder");
    let var = |name: &str| (name == "HOME").then(|| odd.clone().into_os_string());
    let paths = Paths::from_env(var).expect("a home");
    keys(&paths);
    let config = home.path().join("config");
    fs::write(&config, configuration).expect("a file");
    let mut record = record("", cloud_init);
    record.login_key = Some("own".to_owned());
    let session = Session {
        paths: &paths,
        uri,
        uuid: UUID,
        record: &record,
    };
    let at = Endpoint {
        address: address.to_owned(),
        port: 2201,
    };
    let built = command(&session, &at, &[&["BatchMode=yes"], more].concat()).expect("a command");
    let output = Command::new("ssh")
        .arg("-F")
        .arg(&config)
        .arg("-G")
        .args(built.get_args())
        .output()
        .expect("ssh is there: the program needs it");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let home = home.path().to_str().expect("UTF-8");
    assert!(output.status.success(), "{output:?}");
    said.replace(home, "[HOME]")
}

#[test]
fn nothing_in_a_users_configuration_turns_the_check_of_the_host_key_off() {
    let hostile = "Host *\n StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n \
        GlobalKnownHostsFile /tmp/known\n VerifyHostKeyDNS yes\n KnownHostsCommand /bin/true\n \
        NoHostAuthenticationForLocalhost yes\n ControlMaster auto\n ControlPath /tmp/%h-%p\n \
        HostKeyAlias other\n HostKeyAlgorithms ssh-rsa\n UpdateHostKeys yes\n CheckHostIP yes\n \
        User nobody\n Port 1\n";
    let said = asked(hostile, "127.0.0.1", "{}", "qemu:///session");
    for line in [
        "stricthostkeychecking true",
        "verifyhostkeydns false",
        "nohostauthenticationforlocalhost no",
        "updatehostkeys false",
        "hostkeyalias trustnet-vm-11111111-2222-4333-8444-555555555555",
        "hostkeyalgorithms ssh-ed25519",
        "globalknownhostsfile /dev/null",
        "userknownhostsfile [HOME]/a 100% odd folder/.local/state/trustnet-vm/run/known_hosts/11111111-2222-4333-8444-555555555555",
        // Taken for what it is only when it is read.
        "identityfile [HOME]/a 100%% odd folder/.local/share/trustnet-vm/keys/11111111-2222-4333-8444-555555555555.5b3975651c3c/id_ed25519",
        "identitiesonly yes",
        "user root",
        "port 2201",
        "hostname 127.0.0.1",
        "batchmode yes",
    ] {
        assert!(said.lines().any(|said| said == line), "{line}\n{said}");
    }
    for option in ["controlpath", "knownhostscommand", "proxyjump"] {
        let value = said.lines().find_map(|line| line.strip_prefix(option));
        assert!(value.is_none_or(|value| value.trim() == "none"), "{said}");
    }
}

#[test]
fn the_users_keys_are_offered_when_the_spec_names_keys() {
    let keys = r#"{"sshAuthorizedKeys":["ssh-ed25519 AAAA"]}"#;
    let said = asked("", "192.0.2.1", keys, "qemu:///system");
    assert!(said.contains("identitiesonly no\n"), "{said}");
}

#[test]
fn the_users_keys_are_offered_when_the_vms_own_is_not_here_or_we_say_so() {
    let said = |keys: &dyn Fn(&Paths), more: &[&str]| {
        asked_with(
            keys,
            more,
            "IdentityFile /ada",
            "192.0.2.1",
            "{}",
            "qemu:///system",
        )
    };
    let said_of = |said: &str| {
        let lines = said.lines().filter(|line| line.starts_with("identit"));
        lines
            .filter(|line| !line.starts_with("identityagent"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let none = said(&|_| {}, &[]);
    assert_eq!(said_of(&none), ["identitiesonly no", "identityfile /ada"]);
    let of_before = |paths: &Paths| {
        fs::create_dir_all(&paths.data).expect("a folder");
        fs::write(paths.data.join("id_ed25519"), "pem").expect("a file");
    };
    let shared = said(&of_before, &[]);
    let file = "identityfile [HOME]/a 100%% odd folder/.local/share/trustnet-vm/id_ed25519";
    assert_eq!(
        said_of(&shared),
        ["identitiesonly no", file, "identityfile /ada"]
    );
    let keep = |paths: &Paths| login::keep(paths, UUID, "own", "pem").expect("it is kept");
    for (more, expected) in [("IdentitiesOnly=yes", "yes"), ("IdentitiesOnly=no", "no")] {
        let said = said(&keep, &[more]);
        assert_eq!(said_of(&said)[0], format!("identitiesonly {expected}"));
    }
}

#[test]
fn a_forwarded_port_of_another_machine_is_reached_through_it() {
    let said = asked(
        "",
        "127.0.0.1",
        "{}",
        "qemu+ssh://ada@host.example:2222/session",
    );
    assert!(said.contains("proxyjump ada@host.example:2222\n"), "{said}");
    let said = asked("", "192.0.2.1", "{}", "qemu+ssh://ada@host.example/system");
    assert!(!said.contains("proxyjump"), "{said}");
    for (uri, machine) in [
        ("qemu:///session", None),
        ("qemu+unix:///session", None),
        ("qemu+tls://host/system", None),
        ("qemu+ssh:///session", None),
        ("qemu+ssh://-oProxyCommand=x/session", None),
        ("qemu+ssh://a b/session", None),
        (
            "qemu+ssh://[2001:db8::1]:22/session?x=y",
            Some("[2001:db8::1]:22"),
        ),
        ("qemu+libssh2://host?keyfile=/x", Some("host")),
    ] {
        assert_eq!(jump(uri), machine, "{uri}");
    }
}

#[test]
fn an_address_is_one_and_never_an_option() {
    let address = |interface: &str| endpoint(&record(interface, "{}")).map(|at| at.address);
    let on = |addresses: &str| format!(r#"{{"bridge":"br0","ips":[{addresses}]}}"#);
    for (addresses, expected) in [
        (r#""-oProxyCommand=x/24""#, None),
        (r#""fe80::1/64""#, None),
        (r#""fe80::1/64","2001:db8::1/64""#, Some("2001:db8::1")),
        (r#""192.0.2.7/24""#, Some("192.0.2.7")),
    ] {
        assert_eq!(address(&on(addresses)).as_deref(), expected, "{addresses}");
    }
}
