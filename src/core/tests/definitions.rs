//! What a definition may not say, each with the field that says it.

use trustnet_api::service_ref::ServiceRef;
use trustnet_core::artifact::Arch;
use trustnet_core::load::load_services;
use trustnet_core::provision::{Input, ServiceInput, build};
use trustnet_core::service::{Catalogue, Definition, Origin, select};

/// The fields that something is wrong with.
fn wrong(spec: &str) -> Vec<String> {
    let head = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: one }\nspec:\n  version: \"1\"\n";
    let (documents, problems) = load_services(format!("{head}{spec}").as_bytes());
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
fn a_text_with_secrets_that_cannot_be_filled_tells_no_secret() {
    let text = "apiVersion: trustnet.io/v1alpha1\nkind: Service\nmetadata: { name: one }\nspec:\n  version: \"1\"\n  \
                secrets: { key: {} }\n  files: [{ path: /etc/one, content: \"{{ secrets.key | int }} {{ secrets.key.more }}\" }]\n";
    let (mut documents, _) = load_services(text.as_bytes());
    let wire = documents.pop().expect("a definition").object;
    let (definition, _) = Definition::new(wire, Origin::BuiltIn).expect("it keeps the rules");
    let mut catalogue = Catalogue::default();
    catalogue.add(definition);
    let asked = ServiceRef {
        name: "one".to_owned(),
        ..ServiceRef::default()
    };
    let instances = select(&[asked], &catalogue).expect("it is there");
    let service = ServiceInput {
        instance: &instances[0],
        scope: instances[0].scope("vm", "1", Arch::Amd64),
        secrets: [("key".to_owned(), "hunter22".to_owned())].into(),
        artifacts: [].into(),
    };
    let input = Input {
        services: &[service],
        mounts: &[],
    };
    let why = build(&input).expect_err("it cannot be filled");
    assert!(!why.contains("hunter22"), "{why}");
}
