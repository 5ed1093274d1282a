//! Names and labels.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{DOMAIN_LABEL, MANAGED_BY, MANAGER, Options, Part, Refused, Role};
use crate::problem::Problem;
use crate::vm::{Attachment, Vm, VmName, is_label};

/// The longest name of a StatefulSet whose pods can still be labelled with it and the hash of their revision.
const LONGEST: usize = 52;

/// Whether a text is a label of a domain name (RFC 1123), as a namespace's name is.
#[must_use]
pub fn is_namespace(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(inner)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Whether a text is a domain name in lower case, as most objects' names are.
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_namespace)
}

/// The name of a VM's objects: its own, with `-` for `_`.
///
/// # Errors
/// It is too long, or begins with a digit, which no Service's name may.
pub fn name_of(vm: &VmName) -> Result<String, Problem> {
    let name = vm.as_str().replace('_', "-");
    let refuse = |message: String| {
        let hint = "in Kubernetes a name begins with a letter, and has 52 characters at most";
        Err(Problem::error("metadata.name", message).hint(hint))
    };
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        return refuse(format!("`{vm}` begins with a digit"));
    }
    if name.len() > LONGEST {
        return refuse(format!("`{vm}` has {} characters", name.len()));
    }
    Ok(name)
}

/// A name of two parts; where it would be too long, the second is digits of its digest.
pub(super) fn bounded(first: &str, second: &str) -> String {
    let name = format!("{first}.{second}");
    if is_subdomain(&name) {
        return name;
    }
    format!("{first}.{}", digits(second))
}

fn digits(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let digits = digest[..16].iter().map(|byte| format!("{byte:02x}"));
    digits.collect()
}

fn told(message: String, hint: &str) -> Refused {
    Refused {
        name: String::new(),
        problem: Problem::error("", message).hint(hint),
    }
}

/// What is wrong with the options.
pub(super) fn check(options: &Options) -> Vec<Refused> {
    let mut refused = check_places(&options.namespace, options.storage_class.as_deref());
    if options.image.is_empty() || options.image.contains(|c: char| c.is_whitespace()) {
        let message = format!("`{}` is no name of a container image", options.image);
        refused.push(told(message, "write `registry/name:tag`"));
    }
    if !is_subdomain(&options.cluster_domain) {
        let message = format!("`{}` is no domain", options.cluster_domain);
        refused.push(told(message, "`cluster.local` is usual"));
    }
    refused
}

/// What is wrong with the places that objects are to be in.
pub(crate) fn check_places(namespace: &str, storage_class: Option<&str>) -> Vec<Refused> {
    let mut refused = Vec::new();
    if !is_namespace(namespace) {
        let message = format!("`{namespace}` is no name of a namespace");
        let hint = "1 to 63 lower-case letters, digits and `-`, a letter or digit at both ends";
        refused.push(told(message, hint));
    }
    if let Some(class) = storage_class.filter(|class| !is_subdomain(class)) {
        let message = format!("`{class}` is no name of a storage class");
        refused.push(told(
            message,
            "`kubectl get storageclass` lists those that there are",
        ));
    }
    refused
}

/// The namespace, but for those that every cluster has. `restricted`: no pod in it may have more rights than those of
/// our services, which KubeVirt's have.
pub(crate) fn namespace(name: &str, restricted: bool) -> Option<Value> {
    let there = name == "default" || name.starts_with("kube-");
    let mut labels = json!({ MANAGED_BY: MANAGER });
    if restricted {
        labels["pod-security.kubernetes.io/enforce"] = "restricted".into();
    }
    (!there).then(|| {
        json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": { "name": name, "labels": labels },
        })
    })
}

/// What selects pods of a network, or all of one component, or one workload's.
pub(super) fn selector(role: Role, domain: &str, name: Option<&str>) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert("app.kubernetes.io/name".into(), role.service().into());
    labels.insert(DOMAIN_LABEL.into(), domain_label(domain).into());
    if let Some(name) = name {
        labels.insert("app.kubernetes.io/instance".into(), name.into());
    }
    labels
}

/// The labels of all objects of a network.
pub(super) fn common(domain: &str) -> Map<String, Value> {
    let mut labels = Map::new();
    labels.insert(MANAGED_BY.into(), MANAGER.into());
    labels.insert("app.kubernetes.io/part-of".into(), "trustnet".into());
    labels.insert(DOMAIN_LABEL.into(), domain_label(domain).into());
    labels
}

/// The labels of a workload's objects: the user's own where they can be, and ours.
pub(super) fn labels(part: &Part<'_>) -> Map<String, Value> {
    let mut labels = own_labels(part.vm);
    labels.extend(common(&part.domain));
    labels.extend(selector(part.role, &part.domain, Some(&part.name)));
    labels.insert(
        "app.kubernetes.io/component".into(),
        part.role.component().into(),
    );
    let version = part.configuration.version.replace('+', "_");
    labels.insert("app.kubernetes.io/version".into(), version.into());
    labels
}

/// The user's labels that Kubernetes takes as such.
pub(crate) fn own_labels(vm: &Vm) -> Map<String, Value> {
    let good = vm
        .labels()
        .iter()
        .filter(|(key, value)| is_label(key, value));
    good.map(|(key, value)| (key.clone(), value.clone().into()))
        .collect()
}

/// The user's labels that Kubernetes refuses.
pub(crate) fn bad_labels(vm: &Vm) -> Vec<&str> {
    let bad = vm
        .labels()
        .iter()
        .filter(|(key, value)| !is_label(key, value));
    bad.map(|(key, _)| key.as_str()).collect()
}

/// A domain as the value of a label: 63 characters at most.
fn domain_label(domain: &str) -> String {
    if domain.len() <= 63 {
        domain.to_owned()
    } else {
        digits(domain)
    }
}

/// Whether a VM's interfaces are others than those that every registry and node has.
pub(super) fn has_own_interfaces(vm: &Vm, domain: &str) -> bool {
    let usual = |attachment: &Attachment| match attachment {
        Attachment::User { ssh_port } => ssh_port.is_none(),
        Attachment::Segment(name) => name == domain,
        Attachment::Bridge(_) | Attachment::Network(_) => false,
    };
    !vm.interfaces().iter().all(|one| usual(&one.attachment))
}

#[cfg(test)]
mod tests {
    use super::{bounded, is_namespace, is_subdomain, name_of};
    use crate::vm::VmName;

    #[test]
    fn names_are_those_that_kubernetes_takes() {
        let name = |text: &str| name_of(&VmName::parse(text).expect("a name")).ok();
        assert_eq!(name("root_1").as_deref(), Some("root-1"));
        assert_eq!(name("1root"), None);
        assert_eq!(name(&"a".repeat(53)), None);
        assert!(name(&"a".repeat(52)).is_some());
        for (text, good) in [
            ("a-1", true),
            ("", false),
            ("-a", false),
            ("a.b", false),
            ("A", false),
        ] {
            assert_eq!(is_namespace(text), good, "{text}");
        }
        assert!(is_subdomain("join-token.example.org"));
        assert!(!is_subdomain("join-token.example_org"));
        assert!(bounded("join-token", &"a.".repeat(130)).len() < 64);
    }
}
