//! Services as the user meets them: the catalogue, definitions of their own, and what is said of a VM's.

use std::os::unix::fs::PermissionsExt;

use trustnet_core::artifact::Arch;

use crate::home::Home;

const GREETER: &str = "\
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata:
  name: greeter
spec:
  description: says hello
  aliases: [hello]
  version: 1.2.0
  artifacts:
    - name: greeter
      file: greeter
      install: {path: /usr/local/bin/greeter}
  parameters:
    port: {type: port, default: 7000}
    greeting: {type: string, description: what is said}
  secrets:
    key: {required: true, description: opens the door}
  dependencies:
    - {service: sql, description: remembers, optional: true}
  unit: {command: [/usr/local/bin/greeter, --port, '{{ params.port }}']}
  ports: [{name: http, port: '{{ params.port }}'}]
  ready: {tcp: {port: '{{ params.port }}'}}
  tests:
    - {name: it says hello, http: {port: '{{ params.port }}', contains: hello}}
";

/// Runs one command after the other and gives all that came of them.
fn session(home: &Home, commands: &[&str]) -> String {
    let lines = commands.iter().map(|line| home.says(line.split(' ')));
    lines.collect()
}

#[test]
fn the_catalogue_is_listed_and_shown_in_every_form() {
    let home = Home::new();
    home.file("greeter.yaml", GREETER);
    home.done(["service", "add", "greeter.yaml", "--quiet"]);
    insta::assert_snapshot!(session(
        &home,
        &[
            "service list",
            "service ls -o wide --no-headers",
            "service list -o name",
            "service show greeter",
            "service show hello -o json",
            "service show sql -o name",
            "service show nosuch",
            "service show postgre",
        ]
    ));
    let shown = home.done(["service", "show", "vault", "-o", "yaml"]).out;
    assert_eq!(
        shown,
        include_str!("../../images/services/vaultwarden.yaml")
    );
    let list = home.done(["service", "list", "-o", "json"]).out;
    let list: serde_json::Value = serde_json::from_str(&list).expect("JSON");
    let names = list["items"].as_array().expect("a list").iter();
    let own: Vec<_> = names.filter(|row| row["origin"] != "built in").collect();
    assert_eq!(own.len(), 1, "{own:?}");
}

#[test]
fn definitions_of_ones_own_are_added_replaced_and_removed() {
    let home = Home::new();
    home.file("greeter.yaml", GREETER);
    home.file(
        "caddy.yaml",
        &GREETER.replace("name: greeter\nspec", "name: caddy\nspec"),
    );
    home.file(
        "bad.yaml",
        &GREETER
            .replace("install: {path: /usr", "install: {pat: usr")
            .replace("1.2.0", "one two"),
    );
    home.file(
        "shared.yaml",
        &GREETER.replace(
            "install: {path: /usr/local/bin/greeter}",
            "unpack: {into: /usr/local}",
        ),
    );
    home.file("two.yaml", &format!("{GREETER}---\n{GREETER}"));
    insta::assert_snapshot!(session(
        &home,
        &[
            "service add greeter.yaml",
            "service add greeter.yaml",
            "service add greeter.yaml --force",
            "service add caddy.yaml",
            "service add bad.yaml",
            "service add shared.yaml",
            "service add two.yaml",
            "service add none.yaml",
            "service remove hello",
            "service remove greeter",
            "service remove greeter",
            "service remove caddy",
            "service remove caddy",
        ]
    ));
}

#[test]
fn an_added_definition_is_there_whole_and_may_be_read_by_all() {
    let home = Home::new();
    home.file("greeter.yaml", GREETER);
    home.done(["service", "add", "greeter.yaml"]);
    let folder = home.path(".config/trustnet-vm/services");
    let file = folder.join("greeter.yaml");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), GREETER);
    let mode = std::fs::metadata(&file)
        .expect("the file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(std::fs::read_dir(folder).expect("the folder").count(), 1);
}

#[test]
fn what_is_wrong_with_a_service_of_a_vm_is_told_with_its_place() {
    let home = Home::new();
    home.spec("web", "  services:\n    - name: sql\n      config: { prot: 5433, maxConnections: many }\n    - name: forge\n    - { name: cady }\n");
    home.spec("db", "  services:\n    - name: sql\n      config: { database: \"a'; drop\" }\n      secrets: { passwort: x }\n");
    home.spec(
        "good",
        "  services:\n    - { name: vault }\n    - { name: docker }\n",
    );
    insta::assert_snapshot!(session(
        &home,
        &["validate web.yaml", "plan db.yaml", "validate good.yaml"]
    ));
}

#[test]
fn a_broken_definition_of_ones_own_is_told_where_services_are_asked_for() {
    let home = Home::new();
    home.file("greeter.yaml", GREETER);
    home.done(["service", "add", "greeter.yaml"]);
    let folder = home.path(".config/trustnet-vm/services");
    std::fs::write(
        folder.join("broken.yaml"),
        GREETER
            .replace("name: greeter\nspec", "name: broken\nspec")
            .replace("port: {type: port", "port: {type: prot"),
    )
    .expect("a file");
    std::fs::write(folder.join("notes.txt"), "not a definition").expect("a file");
    home.spec("plain", "");
    home.spec("web", "  services:\n    - { name: hello }\n");
    let first = session(
        &home,
        &[
            "service list -o name",
            "validate web.yaml",
            "validate plain.yaml",
        ],
    );
    std::fs::write(folder.join("broken.yaml"), GREETER).expect("a file");
    insta::assert_snapshot!(format!(
        "{first}{}",
        session(&home, &["service list -o name"])
    ));
}

#[test]
fn a_build_of_the_programs_own_is_found_where_a_user_puts_it() {
    let arch = Arch::parse(std::env::consts::ARCH).expect("an architecture");
    let build = format!("builds/{arch}/trustnet-registry");
    let fetch = ["cache", "fetch", "--service", "trustnet-registry"];
    for place in ["", ".local/share/trustnet-vm/"] {
        let home = Home::new();
        let run = home.run(fetch);
        assert_eq!(run.code, Some(7), "{run:?}");
        let data = home.path(".local/share/trustnet-vm");
        let told = format!(
            "error: there is no local build `{build}`; looked in `{}`, `",
            data.display()
        );
        assert!(run.err.starts_with(&told), "{}", run.err);
        assert!(
            run.err
                .contains("/../lib/trustnet-vm`, `.`\nhint: make it with `cargo xtask services`"),
            "{}",
            run.err
        );
        let file = home.path(&format!("{place}{build}"));
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(file, "a program").expect("a file");
        let run = home.done(fetch);
        assert!(run.out.contains("trustnet-registry: "), "{run:?}");
    }
}
