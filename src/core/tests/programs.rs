//! What each definition of the catalogue becomes in a guest, whole: a change of one shows here.

#![expect(clippy::expect_used, reason = "a test fails where it expects")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "what another reader makes of it is what is tested"
)]

use std::fmt::Write;
use std::process::Command;

use trustnet_api::config_value::ConfigValue;
use trustnet_api::secret::SecretString;
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::artifact::{Arch, Digest};
use trustnet_core::provision::{
    Action, Input, Payload, Pinned, Program, ServiceInput, Step, build,
};
use trustnet_core::service::{At, Catalogue, Definition, Escape, Instance, render, select};

/// A VM that asks for a service, with all that it must be given and depends on.
fn wanted(catalogue: &Catalogue, definition: &Definition, all: &mut Vec<ServiceRef>) {
    let spec = definition.spec();
    for need in &spec.dependencies {
        let need = catalogue
            .find(&need.service)
            .expect("it is in the catalogue");
        wanted(catalogue, need, all);
    }
    let open = spec
        .parameters
        .iter()
        .filter(|(_, one)| one.default.is_none());
    let required = spec
        .secrets
        .iter()
        .filter(|(_, one)| one.required == Some(true));
    all.push(ServiceRef {
        name: definition.name().to_owned(),
        config: open
            .map(|(name, _)| (name.clone(), ConfigValue::Text("example.org".to_owned())))
            .collect(),
        secrets: required
            .map(|(name, _)| (name.clone(), SecretString::Inline("***".to_owned())))
            .collect(),
        ..ServiceRef::default()
    });
}

fn program(instance: &Instance, all: &[Instance], arch: Arch, mounts: &[String]) -> Program {
    let version = instance.exact_version().expect("an exact version");
    let mut scope = instance.scope("guest", version, arch);
    for need in &instance.dependencies {
        let other = all
            .iter()
            .find(|one| one.name() == need.service)
            .expect("it is there");
        let port = other
            .port(None, &other.scope("guest", "1", arch))
            .expect("a port");
        let host = "127.0.0.1".to_owned();
        let at = At {
            host,
            port: port.unwrap_or_default(),
        };
        scope.dependencies.insert(need.service.clone(), at);
    }
    let spec = instance.definition.spec();
    let artifacts = spec
        .artifacts
        .iter()
        .filter(|one| one.packages.is_none())
        .map(|one| {
            let digest = Digest::of(one.name.as_bytes());
            let pinned = match &one.oci {
                Some(oci) => Pinned::Image(digest, format!("{}:{version}", oci.image)),
                None => Pinned::Blob(digest),
            };
            (one.name.clone(), pinned)
        });
    let input = ServiceInput {
        instance,
        scope,
        secrets: spec
            .secrets
            .keys()
            .map(|name| (name.clone(), "***".to_owned()))
            .collect(),
        artifacts: artifacts.collect(),
    };
    build(&Input {
        services: &[input],
        mounts,
    })
    .expect("a program")
}

fn shown(step: &Step) -> String {
    let mut text = format!(
        "# {} (then {:?}, {} s)\n",
        step.title(),
        step.then,
        step.limit_s
    );
    let action = serde_json::to_string(&step.action).expect("JSON");
    let _ = writeln!(text, "{action}");
    let mut payload = |title: &str, payload: &Payload| {
        let content = String::from_utf8_lossy(payload.bytes());
        let _ = writeln!(text, "--- {title}\n{}", content.trim_end());
    };
    match &step.action {
        Action::File { content, .. } => payload("content", content),
        Action::Run {
            input: Some(input), ..
        } => payload("input", input),
        Action::Unit {
            systemd, openrc, ..
        } => {
            payload("systemd", systemd);
            payload("openrc", openrc);
        }
        _ => {}
    }
    text
}

#[test]
fn every_definition_becomes_the_program_that_is_written_down() {
    let catalogue = Catalogue::builtin();
    let disk = ["/srv/data".to_owned()];
    let guests: [(&str, Arch, &[String]); 2] = [
        ("debian-12-amd64", Arch::Amd64, &disk),
        ("alpine-3.20-arm64", Arch::Arm64, &[]),
    ];
    for definition in catalogue.iter() {
        let mut services = Vec::new();
        wanted(&catalogue, definition, &mut services);
        let all = select(&services, &catalogue).expect("a VM may ask for it");
        let instance = all
            .iter()
            .find(|one| one.name() == definition.name())
            .expect("it is there");
        for (guest, arch, mounts) in guests {
            let program = program(instance, &all, arch, mounts);
            let mut text: String = program.steps.iter().map(shown).collect();
            let version = instance.exact_version().expect("an exact version");
            let scope = instance.scope("guest", version, arch);
            let artifacts = instance.wanted(
                &scope,
                arch,
                guest.rsplit_once('-').expect("an architecture").0,
            );
            for artifact in artifacts.expect("artifacts") {
                let _ = writeln!(text, "# wanted\n{:?}", artifact.source);
            }
            insta::assert_snapshot!(format!("{}-{guest}", definition.name()), text);
        }
    }
}

/// Units of all definitions of the catalogue: name, systemd's text, OpenRC's.
fn units() -> Vec<(String, String, String)> {
    let catalogue = Catalogue::builtin();
    let mut units = Vec::new();
    for definition in catalogue.iter() {
        let mut services = Vec::new();
        wanted(&catalogue, definition, &mut services);
        let all = select(&services, &catalogue).expect("a VM may ask for it");
        let instance = all
            .iter()
            .find(|one| one.name() == definition.name())
            .expect("it is there");
        for step in program(instance, &all, Arch::Amd64, &[]).steps {
            if let Action::Unit {
                name,
                systemd,
                openrc,
            } = step.action
            {
                let text =
                    |payload: Payload| String::from_utf8(payload.bytes().to_vec()).expect("UTF-8");
                units.push((name, text(systemd), text(openrc)));
            }
        }
    }
    units
}

#[test]
fn the_scripts_for_openrc_are_scripts_that_a_shell_can_read() {
    let units = units();
    assert!(units.len() > 5, "{}", units.len());
    let folder = tempfile::tempdir().expect("a folder");
    for (name, _, openrc) in units {
        let file = folder.path().join(&name);
        std::fs::write(&file, &openrc).expect("a file");
        for shell in [&["dash"][..], &["busybox", "sh"]] {
            let read = Command::new(shell[0])
                .args(&shell[1..])
                .arg("-n")
                .arg(&file)
                .output();
            let read = read.expect("the shell starts");
            assert!(
                read.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&read.stderr)
            );
        }
    }
}

#[test]
fn the_units_are_units_that_systemd_can_read() {
    // Where there is no systemd there is nothing to ask.
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    for (name, systemd, _) in units() {
        let file = folder.path().join(format!("{name}.service"));

        // Users and programs that only the guest has are no faults of the text.
        let lines: Vec<&str> = systemd
            .lines()
            .filter(|line| !line.starts_with("User="))
            .collect();
        std::fs::write(&file, lines.join("\n")).expect("a file");
        let said = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&file)
            .output();
        let said = String::from_utf8_lossy(&said.expect("it starts").stderr).into_owned();
        let mine = said
            .lines()
            .filter(|line| line.contains(&*file.to_string_lossy()));
        let faults: Vec<&str> = mine
            .filter(|line| !line.contains("is not executable"))
            .collect();
        assert_eq!(faults, [""; 0], "{name}");
    }
}

/// A definition whose unit takes what a VM says at every place that a unit has for it.
const OPEN: &str = "
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: {name: open}
spec:
  version: '1'
  parameters: {value: {type: string}}
  unit:
    command: [/bin/echo, '{{ params.value }}', last]
    environment: {VALUE: '{{ params.value }}'}
";

#[test]
fn what_a_vm_says_stays_one_word_of_a_unit() {
    for value in [
        "a \"b\" 'c'",
        "$HOME ${HOME} $(id) `id`",
        "100%n %%",
        "a\\",
        "; rm -rf / #",
        "ünï 😀",
    ] {
        let (documents, problems) = trustnet_core::load::load_services(OPEN.as_bytes());
        assert_eq!(problems, []);
        let mut catalogue = Catalogue::default();
        for document in documents {
            let origin = trustnet_core::service::Origin::BuiltIn;
            catalogue.add(
                Definition::new(document.object, origin)
                    .expect("it is good")
                    .0,
            );
        }
        let wanted = |value: &str| ServiceRef {
            name: "open".to_owned(),
            config: [("value".to_owned(), ConfigValue::Text(value.to_owned()))].into(),
            ..ServiceRef::default()
        };
        assert!(select(&[wanted("two\nlines")], &catalogue).is_err());
        let all = select(&[wanted(value)], &catalogue).expect("a VM may ask for it");
        let steps = program(&all[0], &all, Arch::Amd64, &[]).steps;
        let unit = steps.into_iter().find_map(|step| match step.action {
            Action::Unit {
                systemd, openrc, ..
            } => Some((systemd, openrc)),
            _ => None,
        });
        let (systemd, openrc) = unit.expect("a unit");
        let systemd = String::from_utf8_lossy(systemd.bytes()).into_owned();
        let quoted = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('%', "%%");
        let start = format!(
            "ExecStart=\"/bin/echo\" \"{}\" \"last\"\n",
            quoted.replace('$', "$$")
        );
        assert!(systemd.contains(&start), "{systemd}");
        assert!(
            systemd.contains(&format!("Environment=\"VALUE={quoted}\"\n")),
            "{systemd}"
        );
        // OpenRC evaluates command_args once more.
        let script = format!(
            "{}\neval set -- \"$command_args\"\nprintf '%s|%s|%s' \"$1\" \"$2\" \"$VALUE\"",
            String::from_utf8_lossy(openrc.bytes())
        );
        let said = Command::new("dash")
            .args(["-c", &script])
            .output()
            .expect("dash starts");
        assert_eq!(
            String::from_utf8_lossy(&said.stdout),
            format!("{value}|last|{value}")
        );
    }
}

#[test]
fn what_is_asked_diagnosed_and_taken_away_can_be_filled_in() {
    let catalogue = Catalogue::builtin();
    for definition in catalogue.iter() {
        let mut services = Vec::new();
        wanted(&catalogue, definition, &mut services);
        let all = select(&services, &catalogue).expect("a VM may ask for it");
        let instance = all
            .iter()
            .find(|one| one.name() == definition.name())
            .expect("it is there");
        let version = instance.exact_version().expect("an exact version");
        let scope = instance.scope("guest", version, Arch::Amd64);
        let spec = definition.spec();
        let http = spec.tests.iter().filter_map(|test| test.http.as_ref());
        let http = http.flat_map(|http| {
            [
                Some(http.port.to_string()),
                http.path.clone(),
                http.contains.clone(),
            ]
        });
        let tcp = spec
            .tests
            .iter()
            .filter_map(|test| Some(test.tcp.as_ref()?.port.to_string()));
        let tests = spec
            .tests
            .iter()
            .flat_map(|test| test.command.iter().chain(&test.contains));
        let diagnoses = spec
            .diagnose
            .iter()
            .flat_map(|one| one.command.iter().chain(&one.fix));
        let ports = spec.ports.iter().map(|port| port.port.to_string());
        let texts = tests
            .chain(diagnoses)
            .cloned()
            .chain(http.flatten())
            .chain(tcp)
            .chain(ports);
        for text in texts {
            let filled = render(&text, &scope, Escape::Whole);
            assert!(filled.is_ok(), "{}: {text}: {filled:?}", definition.name());
        }
        let input = ServiceInput {
            instance,
            scope,
            secrets: std::collections::BTreeMap::new(),
            artifacts: std::collections::BTreeMap::new(),
        };
        let gone = trustnet_core::provision::uninstall(&input).expect("a program");
        assert!(!gone.is_empty(), "{}", definition.name());
    }
}
