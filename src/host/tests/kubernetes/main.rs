//! Objects brought into a cluster, as an API server sees it.
#![cfg(feature = "kubernetes")]
#![expect(clippy::expect_used, reason = "a test fails where it expects")]

mod server;

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::{Value, json};
use trustnet_core::kubernetes::{Options, Workload, manifests};
use trustnet_core::load;
use trustnet_core::service::{Catalogue, select};
use trustnet_core::vm::Vm;
use trustnet_host::kubernetes::{
    Applied, ApplyError, Change, Cluster as Place, Conflict, Event, How, ObjectName, apply,
};

use self::server::{Cluster, Server};

/// The objects of a root and a node, with the Secret of their token.
fn objects() -> Vec<Value> {
    static OBJECTS: LazyLock<Vec<Value>> = LazyLock::new(made);
    OBJECTS.clone()
}

fn made() -> Vec<Value> {
    let catalogue = Catalogue::builtin();
    let text = include_str!("../../../../examples/root-and-node.yaml");
    let (documents, problems) = load::load(text.as_bytes());
    assert_eq!(problems, []);
    let parts: Vec<_> = documents
        .iter()
        .map(|document| {
            let (vm, _) = Vm::resolve(&document.object).expect("a VM");
            let services = select(&vm.wire().spec.services, &catalogue);
            (vm, services.expect("known services"))
        })
        .collect();
    let workloads: Vec<Workload<'_>> = parts
        .iter()
        .map(|(vm, services)| Workload { vm, services })
        .collect();
    let options = Options::default();
    let made = manifests(&workloads, &options).expect("objects");
    let secrets = made
        .tokens
        .iter()
        .map(|token| token.object("a token", &options));
    made.objects.iter().cloned().chain(secrets).collect()
}

/// Quick: what is not ready is looked at again at once.
fn how() -> How<'static> {
    How {
        wait: Some(Duration::from_secs(60)),
        pause: Duration::from_millis(1),
        ..How::default()
    }
}

fn run(server: &Server, how: &How<'_>) -> (Result<Applied, ApplyError>, Vec<Event>) {
    let place = Place {
        kubeconfig: Some(server.kubeconfig()),
        context: None,
    };
    let mut events = Vec::new();
    let done = apply(&objects(), &place, how, &mut |event| events.push(event));
    (done, events)
}

fn ready_at_once() -> Cluster {
    Cluster {
        ready_after: Some(0),
        ..Cluster::default()
    }
}

fn name(kind: &str, name: &str) -> ObjectName {
    ObjectName {
        kind: kind.to_owned(),
        namespace: Some("trustnet".to_owned()),
        name: name.to_owned(),
    }
}

#[test]
fn objects_are_checked_then_applied_in_order_and_the_same_again_changes_nothing() {
    let server = Server::start(ready_at_once());
    let (done, events) = run(&server, &how());
    let done = done.expect("applied");
    assert_eq!(done.len(), objects().len());
    assert!(
        done.iter().all(|(_, change)| *change == Change::Created),
        "{done:?}"
    );
    let requests = std::mem::take(&mut server.cluster().requests);
    for request in requests.iter().filter(|request| request.method == "PATCH") {
        assert_eq!(request.content_type, "application/apply-patch+yaml");
        assert!(
            request.query.contains("fieldManager=trustnet-vm"),
            "{request:?}"
        );
        assert!(
            request.query.contains("fieldValidation=Strict"),
            "{request:?}"
        );
        assert!(!request.query.contains("force=true"), "{request:?}");
    }
    // The namespace has to be there before the server looks at the rest, and all of that is looked at before any is made.
    let made: Vec<usize> = requests
        .iter()
        .enumerate()
        .filter(|(_, one)| one.is_apply())
        .map(|(at, _)| at)
        .collect();
    let dry: Vec<usize> = requests
        .iter()
        .enumerate()
        .filter(|(_, one)| one.is_dry())
        .map(|(at, _)| at)
        .collect();
    assert_eq!(requests[made[0]].path, "/api/v1/namespaces/trustnet");
    assert_eq!((made.len(), dry.len()), (done.len(), done.len() - 1));
    assert!(made[0] < dry[0] && dry[dry.len() - 1] < made[1]);
    let kinds: Vec<&str> = done
        .iter()
        .map(|(object, _)| object.kind.as_str())
        .collect();
    let mut each = kinds.clone();
    each.dedup();
    let order = [
        "Namespace",
        "Secret",
        "ConfigMap",
        "Service",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "StatefulSet",
    ];
    assert_eq!(each, order);
    let ready = events
        .iter()
        .filter(|event| matches!(event, Event::Ready { .. }));
    assert_eq!(ready.count(), 2);
    let (again, _) = run(&server, &how());
    let again = again.expect("applied");
    assert!(
        again.iter().all(|(_, change)| *change == Change::Unchanged),
        "{again:?}"
    );
}

#[test]
fn fields_of_others_are_told_all_at_once_and_taken_only_by_force() {
    let server = Server::start(Cluster {
        namespaces: vec!["trustnet".to_owned()],
        managed: vec![
            ("statefulsets/root", ".spec.replicas", "kubectl-edit"),
            ("services/root", ".spec.type", "helm"),
        ],
        ..ready_at_once()
    });
    let (done, _) = run(&server, &how());
    let Err(ApplyError::Conflicts(conflicts)) = done else {
        panic!("{done:?}");
    };
    let conflict = |kind: &str, field: &str, manager: &str| Conflict {
        object: name(kind, "root"),
        field: field.to_owned(),
        manager: manager.to_owned(),
    };
    let expected = [
        conflict("Service", ".spec.type", "helm"),
        conflict("StatefulSet", ".spec.replicas", "kubectl-edit"),
    ];
    assert_eq!(conflicts, expected);
    let made: Vec<String> = server.cluster().objects.keys().cloned().collect();
    assert_eq!(made, [""; 0]);
    let by_force = How {
        force_conflicts: true,
        ..how()
    };
    run(&server, &by_force).0.expect("applied");
    // All but the namespace: it was there, and is somebody else's.
    assert_eq!(server.cluster().objects.len(), objects().len() - 1);
}

#[test]
fn a_namespace_of_others_gets_no_word_of_ours() {
    let server = Server::start(Cluster {
        namespaces: vec!["trustnet".to_owned()],
        ..ready_at_once()
    });
    let done = run(&server, &how()).0.expect("applied");
    assert_eq!(done[0].1, Change::Left);
    let cluster = server.cluster();
    let mut made = cluster.requests.iter().filter(|one| one.is_apply());
    assert!(made.all(|request| !request.path.ends_with("/namespaces/trustnet")));
}

#[test]
fn what_this_user_may_not_do_is_told_with_the_object_and_a_namespace_that_is_there_will_do() {
    let server = Server::start(Cluster {
        namespaces: vec!["trustnet".to_owned()],
        forbidden: vec![("PATCH", "/namespaces/trustnet")],
        ..ready_at_once()
    });
    let (done, _) = run(&server, &how());
    let done = done.expect("applied");
    assert_eq!(done[0].1, Change::Left);
    server.cluster().forbidden = vec![("PATCH", "/secrets/join-token.example.org")];
    let error = run(&server, &how()).0.expect_err("forbidden");
    assert_eq!(
        error.to_string(),
        "failed to check Secret `trustnet/join-token.example.org`: \
         `/api/v1/namespaces/trustnet/secrets/join-token.example.org` is forbidden: User \"ada\" cannot do that"
    );
    assert!(error.hint().expect("a hint").contains("role"));
    // A namespace that is not there is one that has to be made.
    let server = Server::start(Cluster {
        forbidden: vec![("PATCH", "/namespaces/trustnet")],
        ..ready_at_once()
    });
    let error = run(&server, &how()).0.expect_err("forbidden");
    assert!(
        matches!(error, ApplyError::Refused { code: 403, .. }),
        "{error}"
    );
    assert!(server.cluster().objects.is_empty());
}

#[test]
fn a_busy_server_is_asked_again() {
    let server = Server::start(Cluster {
        busy: 3,
        ..ready_at_once()
    });
    run(&server, &how()).0.expect("applied");
    let requests = &server.cluster().requests;
    assert!(
        requests[..4].iter().all(|request| *request == requests[0]),
        "{requests:?}"
    );
    assert_ne!(requests[4], requests[0]);
}

#[test]
fn a_dry_run_leaves_nothing_behind() {
    let server = Server::start(Cluster {
        namespaces: vec!["trustnet".to_owned()],
        ..ready_at_once()
    });
    let dry = How {
        dry_run: true,
        ..how()
    };
    let (done, events) = run(&server, &dry);
    done.expect("checked");
    let count = objects().len() - 1;
    assert!(events.contains(&Event::Checked { count }), "{events:?}");
    assert!(server.cluster().objects.is_empty());
    assert!(
        !server
            .cluster()
            .requests
            .iter()
            .any(server::Request::is_apply)
    );
}

#[test]
fn the_wait_tells_what_a_pod_waits_for_and_ends_in_time() {
    let waiting = json!({ "reason": "ErrImagePull", "message": "localhost/trustnet: not found" });
    let server = Server::start(Cluster {
        ready_after: Some(3),
        waiting: Some(waiting.clone()),
        ..Cluster::default()
    });
    let (done, events) = run(&server, &how());
    done.expect("ready");
    let said = |event: &&Event| matches!(event, Event::Waiting { .. });
    let told: Vec<&Event> = events.iter().filter(said).collect();
    let reason = "0 of 1 pods ready (ErrImagePull: localhost/trustnet: not found)";
    let expected = |set: &str| Event::Waiting {
        object: name("StatefulSet", set),
        said: reason.to_owned(),
    };
    assert_eq!(
        told,
        [&expected("root"), &expected("node-1")],
        "each is told once"
    );
    let never = Server::start(Cluster {
        waiting: Some(waiting),
        ..Cluster::default()
    });
    let short = How {
        wait: Some(Duration::ZERO),
        ..how()
    };
    let error = run(&never, &short).0.expect_err("time is up");
    assert_eq!(
        error.to_string(),
        format!(
            "not ready after 0 s: StatefulSet `trustnet/root`: {reason}; StatefulSet `trustnet/node-1`: {reason}"
        )
    );
    let stopped = How {
        stop: &|| true,
        ..how()
    };
    let error = run(&never, &stopped).0.expect_err("interrupted");
    assert!(matches!(error, ApplyError::Interrupted), "{error}");
    let unawaited = How {
        wait: None,
        ..how()
    };
    run(&never, &unawaited).0.expect("applied");
}

#[test]
fn only_the_cluster_that_the_kubeconfig_means_is_asked_and_as_its_user() {
    let server = Server::start(ready_at_once());
    let run = |kubeconfig, context: Option<&str>| {
        let place = Place {
            kubeconfig: Some(kubeconfig),
            context: context.map(str::to_owned),
        };
        apply(&objects(), &place, &how(), &mut |_| {}).expect_err("it cannot")
    };
    let none = run(server.kubeconfig(), Some("nowhere"));
    assert!(
        matches!(&none, ApplyError::Kubeconfig { why } if why.contains("nowhere")),
        "{none}"
    );
    let missing = run("/nonexistent/kubeconfig".into(), None);
    assert!(
        matches!(missing, ApplyError::Kubeconfig { .. }),
        "{missing}"
    );
    assert!(server.cluster().requests.is_empty());
    let other = Server::start(Cluster::default());
    let untrusted = run(server.kubeconfig_by(&other.authority()), None);
    assert!(
        matches!(untrusted, ApplyError::Unreachable { .. }),
        "{untrusted}"
    );
    assert!(
        server.cluster().requests.is_empty(),
        "nothing is sent to who is not trusted"
    );
    let stranger = run(server.kubeconfig(), Some("stranger"));
    assert!(
        matches!(stranger, ApplyError::Refused { code: 401, .. }),
        "{stranger}"
    );
    assert!(server.cluster().objects.is_empty());
}
