//! `install --deployment kubernetes`: objects written, and applied to a server on loopback.

use crate::api_server::{Cluster, Server};

use super::{INSTALLS, Stage};

#[test]
fn into_a_cluster_objects_are_written_and_applied_only_where_one_is_named_and_no_vm_is_made() {
    let stage = Stage::with(&[]);
    let before = stage.home.inventory();
    let words = "--domain example.org --registry-type root --deployment kubernetes --yes";
    let mut said = stage.says(words);
    let server = Server::start(Cluster::default());
    let kubeconfig = server.kubeconfig().display().to_string();
    let into = format!("{words} --kubeconfig {kubeconfig}");
    for _ in 0..2 {
        said.push_str(&stage.says(&into).replace(&kubeconfig, "[KUBECONFIG]"));
    }
    server.cluster().managed = vec![("statefulsets/root", ".spec.replicas", "kubectl-scale")];
    said.push_str(&stage.says(&into).replace(&kubeconfig, "[KUBECONFIG]"));
    insta::assert_snapshot!(said);
    assert_eq!(stage.home.inventory(), before);
    let token = stage
        .home
        .path(".local/share/trustnet-vm/secrets/shared/join-token.example.org");
    let token = std::fs::read_to_string(token).expect("it is kept");
    assert!(!said.contains(token.trim()));
    let paths: Vec<String> = server.cluster().objects.keys().cloned().collect();
    assert!(
        paths
            .iter()
            .any(|path| path.ends_with("/secrets/join-token.example.org")),
        "{paths:?}"
    );
    let objects = std::fs::read_dir(stage.home.path(INSTALLS).join("root.objects"));
    assert_eq!(objects.expect("a folder").count(), paths.len());
}
