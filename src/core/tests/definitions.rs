//! What a definition may not say, each with the field that says it.

use trustnet_api::config_value::ConfigValue;
use trustnet_api::service_ref::ServiceRef;
use trustnet_core::artifact::Arch;
use trustnet_core::load::load_services;
use trustnet_core::provision::{Input, Program, ServiceInput, build, uninstall};
use trustnet_core::service::{Catalogue, Definition, Origin, select};

const HEAD: &str = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: one }\nspec:\n  version: \"1\"\n";

/// The fields that something is wrong with.
fn wrong(spec: &str) -> Vec<String> {
    let (documents, problems) = load_services(format!("{HEAD}{spec}").as_bytes());
    assert_eq!(problems, [], "{spec}");
    let problems = documents
        .iter()
        .flat_map(|document| Definition::check(&document.object));
    problems.map(|problem| problem.path).collect()
}

#[test]
fn the_folder_of_the_data_and_the_files_of_secrets_are_fixed_and_the_service_s_own() {
    assert_eq!(wrong("  data: { path: /var/lib/one }\n"), [""; 0]);
    for path in ["/", "/var/lib", "/etc/", "/srv", "relative", "/a/../b"] {
        let found = wrong(&format!("  data: {{ path: {path} }}\n"));
        assert!(
            found.contains(&"spec.data.path".to_owned()),
            "{path}: {found:?}"
        );
    }
    let templates = "  parameters: { p: { type: string, default: x } }\n  data: { path: \"/data/{{ params.p }}\" }\n";
    assert_eq!(wrong(templates), ["spec.data.path"]);
    let secret = "  secrets: { key: { path: \"/etc/{{ version }}/key\" } }\n";
    assert_eq!(wrong(secret), ["spec.secrets.key.path"]);
}

#[test]
fn an_artifact_has_one_source_that_somebody_vouches_for_and_one_place() {
    let artifact = |what: &str| wrong(&format!("  artifacts: [{{ name: a, {what} }}]\n"));
    let place = "install: { path: /usr/local/bin/a }";
    let zeros = "0".repeat(64);
    assert_eq!(
        artifact(&format!(
            "url: \"https://a/\", digests: {{ amd64: \"sha256:{zeros}\" }}, {place}"
        )),
        [""; 0]
    );
    assert_eq!(
        artifact(&format!("url: \"https://a/\", {place}")),
        ["spec.artifacts[0]"]
    );
    assert_eq!(
        artifact(&format!("url: \"https://a/\", file: a, {place}")),
        ["spec.artifacts[0]"]
    );
    assert_eq!(artifact("file: a"), ["spec.artifacts[0]"]);
    assert_eq!(
        artifact(&format!("file: a, digests: {{ amd64: md5 }}, {place}")),
        ["spec.artifacts[0].digests.amd64"]
    );
    assert_eq!(
        artifact(&format!(
            "file: a, digests: {{ x86: \"sha256:{zeros}\" }}, {place}"
        )),
        ["spec.artifacts[0].digests.x86"]
    );
}

#[test]
fn what_a_unit_says_is_looked_at_where_there_is_a_unit() {
    for kind in ["journal", "console"] {
        let ready = format!("  ready: {{ {kind}: up }}\n");
        assert_eq!(wrong(&ready), [format!("spec.ready.{kind}")]);
        let unit = format!("{ready}  unit: {{ command: [/bin/one] }}\n");
        assert_eq!(wrong(&unit), [""; 0]);
    }
}

#[test]
fn a_port_of_datagrams_is_no_port_that_takes_connections() {
    let spec = "  parameters: { p: { type: string } }\n  ports: [{ name: a, port: 7, protocol: UDP }, { name: b, port: 8, protocol: TCP }, { name: c, port: 9 }]\n";
    let told = with_input(spec, "", |service| {
        let (instance, scope) = (service.instance, &service.scope);
        let listens = instance.listens(scope).into_iter();
        let listens: Vec<(String, u16)> = listens
            .map(|(name, port)| (name, port.expect("a port")))
            .collect();
        (
            listens,
            [None, Some("a")].map(|name| instance.port(name, scope).expect("a port")),
        )
    });
    let listens = vec![("b".to_owned(), 8), ("c".to_owned(), 9)];
    assert_eq!(told, (listens, [Some(8), Some(7)]));
}

#[test]
fn a_text_with_secrets_that_cannot_be_filled_tells_no_secret() {
    let spec = "  parameters: { p: { type: string } }\n  secrets: { key: {} }\n  files: [{ path: /etc/one, content: \"{{ secrets.key | int }} {{ secrets.key.more }}\" }]\n";
    let why = built(spec, "").expect_err("it cannot be filled");
    assert!(!why.contains("hunter22"), "{why}");
}

/// Every field that is a name for a tool of the guest, with `NAME` where the name stands.
const NAMES: [(&str, &str); 14] = [
    ("spec.user.home", "user: { name: u, home: NAME }"),
    ("spec.user.shell", "user: { name: u, shell: NAME }"),
    ("spec.user.groups[0]", "user: { name: u, groups: [NAME] }"),
    ("spec.data.owner", "data: { path: /srv/one, owner: NAME }"),
    (
        "spec.secrets.key.owner",
        "secrets: { key: { owner: NAME } }",
    ),
    (
        "spec.files[0].owner",
        "files: [{ path: /etc/one, owner: NAME, content: x }]",
    ),
    (
        "spec.setup[0].user",
        "setup: [{ name: s, command: [\"true\"], user: NAME }]",
    ),
    ("spec.unit.name", "unit: { name: NAME }"),
    ("spec.unit.openrcName", "unit: { openrcName: NAME }"),
    ("spec.unit.user", "unit: { command: [/bin/x], user: NAME }"),
    (
        "spec.unit.workingDirectory",
        "unit: { command: [/bin/x], workingDirectory: NAME }",
    ),
    (
        "spec.unit.after[0]",
        "unit: { command: [/bin/x], after: [NAME] }",
    ),
    (
        "spec.artifacts[0].packages.dnf[0]",
        "artifacts: [{ name: a, packages: { dnf: [NAME] } }]",
    ),
    (
        "spec.uninstall.packages[0]",
        "uninstall: { packages: [NAME] }",
    ),
];

#[test]
fn what_tools_are_called_with_is_no_option_whether_written_or_filled_in() {
    for (field, line) in NAMES {
        let written = |name: &str| format!("  {}\n", line.replace("NAME", name));
        for bad in ["--reference=/etc/shadow", "-R", "two words"] {
            let found = wrong(&written(&format!("{bad:?}")));
            assert_eq!(found, [field], "{bad}");
            let parameter = "  parameters: { p: { type: string } }\n";
            let text = written("\"{{ params.p }}\"") + parameter;
            assert_eq!(wrong(&text), [""; 0], "{field}");
            for (what, why) in [
                ("build", built(&text, bad)),
                ("uninstall", left(&text, bad)),
            ] {
                let why = why.expect_err(field);
                let told = format!("service `one`: `{field}`: `{bad}` is no ");
                assert!(why.starts_with(&told), "{what}: {why}");
            }
        }
    }
}

/// The one service of a text, with a value for its parameter `p`.
fn with_input<T>(spec: &str, value: &str, work: impl FnOnce(&ServiceInput<'_>) -> T) -> T {
    let (mut documents, _) = load_services(format!("{HEAD}{spec}").as_bytes());
    let wire = documents.pop().expect("a definition").object;
    let (definition, _) = Definition::new(wire, Origin::BuiltIn).expect("it keeps the rules");
    let mut catalogue = Catalogue::default();
    catalogue.add(definition);
    let asked = ServiceRef {
        name: "one".to_owned(),
        config: [("p".to_owned(), ConfigValue::Text(value.to_owned()))].into(),
        ..ServiceRef::default()
    };
    let instances = select(&[asked], &catalogue).expect("it is there");
    work(&ServiceInput {
        instance: &instances[0],
        scope: instances[0].scope("vm", "1", Arch::Amd64),
        secrets: [("key".to_owned(), "hunter22".to_owned())].into(),
        artifacts: [].into(),
    })
}

fn built(spec: &str, value: &str) -> Result<Program, String> {
    with_input(spec, value, |service| {
        build(&Input {
            services: std::slice::from_ref(service),
            mounts: &[],
        })
    })
}

fn left(spec: &str, value: &str) -> Result<Program, String> {
    with_input(spec, value, uninstall)
}
