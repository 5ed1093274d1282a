//! Services in other VMs that one depends on, and VMs of one invocation beside each other.

use std::net::TcpListener;

use trustnet_core::record::{Record, ServicePhase, ServiceState};
use trustnet_host::doors::Hypervisor;

use crate::guests::{answer, guest_of};
use crate::home::{Home, Run};
use crate::sshd::Sshd;

const SERVICES: [&str; 2] = [
    r#"apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: db }
spec:
  version: "1.0"
  parameters: { port: { type: port, default: 1 } }
  ports: [{ name: db, port: "{{ params.port }}" }]
"#,
    r#"apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: app }
spec:
  version: "1.0"
  dependencies: [{ service: db }]
  files:
    - { path: /etc/app.conf, content: "{{ dependencies.db.host }} {{ dependencies.db.port }}\n" }
"#,
];

/// A port on which nobody listens.
fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A home with the two services, and a VM `data` that is to run the first of them.
fn stage(port: u16) -> Home {
    let home = Home::new();
    for service in SERVICES {
        home.file("service.yaml", service);
        home.done(["service", "add", "service.yaml", "--quiet"]);
    }
    let service = format!("  services: [{{ name: db, config: {{ port: {port} }} }}]\n");
    home.spec("data", &service);
    home.done(["create", "data.yaml", "--no-wait", "--quiet"]);
    home
}

/// Notes on the domain of `data` how its service is; none where nothing was brought yet.
fn note(home: &Home, state: Option<ServicePhase>) {
    let all = home.state();
    let (uuid, record) = all
        .domains
        .iter()
        .map(|(uuid, domain)| (uuid, domain.facts().xml))
        .find(|(_, xml)| xml.name == "data")
        .expect("it was made");
    let mut record = Record::parse(&record.record.expect("a record")).expect("it is ours");
    let one = |state| ServiceState {
        name: "db".to_owned(),
        version: "1.0".to_owned(),
        state,
        at: 0,
    };
    record.services = state.map(one).into_iter().collect();
    let host = home.host();
    let written = host.records().write(uuid, &record.to_text());
    written.expect("it is written");
}

/// Brings `app` into a new guest, where this is said of what it depends on.
fn provision(home: &Home, dependency: &str) -> (Run, Option<String>) {
    let services = format!(
        "  services: [{{ name: app, dependencies: [{{ service: db, timeout: 1s, {dependency} }}] }}]\n"
    );
    home.spec("web", &services);
    let web = Sshd::in_root();
    answer(home, "web", &web);
    let run = home.run(["provision", "-f", "web.yaml"]);
    let file = std::fs::read_to_string(web.path("/etc/app.conf"));
    (run, file.ok())
}

#[test]
fn what_is_waited_for_of_a_service_in_another_vm_is_what_the_condition_says() {
    use ServicePhase::{Failed, Provisioning, Ready};
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let open = listener.local_addr().expect("an address").port();
    let closed = closed();
    let not_ready = Some("not after 1 s: `db` of `data` is not ready");
    let refused = Some("not after 1 s: the guest does not reach `127.0.0.1:");
    let with_vm = "vm: data, host: 127.0.0.1";
    let cases: [Case<'_>; 10] = [
        (with_vm, "condition: Ready", open, Some(Ready), None),
        (
            with_vm,
            "condition: Ready",
            open,
            Some(Provisioning),
            not_ready,
        ),
        (
            with_vm,
            "condition: Ready",
            open,
            None,
            Some("not after 1 s: `data` has no service `db` yet"),
        ),
        (with_vm, "condition: Ready", closed, Some(Ready), refused),
        (with_vm, "condition: Reachable", open, Some(Failed), None),
        (
            with_vm,
            "condition: Reachable",
            closed,
            Some(Ready),
            refused,
        ),
        (with_vm, "condition: None", closed, None, None),
        // Where nothing is said: by whether a VM is named.
        (with_vm, "", open, Some(Failed), not_ready),
        ("host: 127.0.0.1", "", open, None, None),
        ("host: 127.0.0.1", "", closed, Some(Ready), refused),
    ];
    // Where it fails, it has waited before.
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let cases = cases.iter().skip(lane).step_by(LANES);
            scope.spawn(move || {
                let home = staged(open);
                cases.for_each(|case| is_so(&home, case));
            });
        }
    });
    // The port of a service in a VM that is there is what its own spec says.
    let home = staged(open);
    note(&home, Some(Ready));
    let (run, file) = provision(&home, with_vm);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(file, Some(format!("127.0.0.1 {open}\n")));
}

/// How many cases are gone through at once.
const LANES: usize = 3;

/// Where the service is said to be and on what condition, its port, what is noted of it, and why it fails, if it does.
type Case<'a> = (&'a str, &'a str, u16, Option<ServicePhase>, Option<&'a str>);

/// The stage with a VM that is to depend on it.
fn staged(port: u16) -> Home {
    let home = stage(port);
    home.spec("web", "");
    drop(guest_of(&home, "web"));
    home
}

fn is_so(home: &Home, &(place, condition, port, state, error): &Case<'_>) {
    note(home, state);
    let said = format!("{place}, port: {port}, {condition}");
    let (run, file) = provision(home, &said);
    let what = format!("{said} {state:?}: {run:?}");
    match error {
        None => {
            assert_eq!(run.code, Some(0), "{what}");
            assert_eq!(file, Some(format!("127.0.0.1 {port}\n")), "{what}");
        }
        Some(error) => {
            assert_eq!(run.code, Some(7), "{what}");
            assert!(run.err.contains(error), "{what}");
            assert_eq!(file, None, "{what}");
        }
    }
}

/// A service that leaves a mark and waits for another.
const MEETS: &str = r#"apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: meets }
spec:
  version: "1.0"
  parameters: { mine: { type: path }, other: { type: path } }
  setup:
    - name: meet
      timeout: 30s
      command: [sh, -c, 'touch "$1"; until test -e "$2"; do sleep 0.05; done', sh, "{{ params.mine }}", "{{ params.other }}"]
"#;

#[test]
fn documents_of_one_create_that_do_not_depend_on_each_other_are_worked_on_at_once() {
    let home = Home::new();
    home.file("meets.yaml", MEETS);
    home.done(["service", "add", "meets.yaml", "--quiet"]);
    let documents = [("app", "web"), ("web", "app")].map(|(mine, other)| {
        let mark = |name| home.path(name).display().to_string();
        let config = format!("{{ mine: {}, other: {} }}", mark(mine), mark(other));
        let services = format!("  services: [{{ name: meets, config: {config} }}]\n");
        std::fs::read_to_string(home.spec(mine, &services)).expect("a spec")
    });
    home.file("both.yaml", &documents.join("---\n"));
    home.done(["create", "both.yaml", "--no-wait", "--quiet"]);
    let guests = ["app", "web"].map(|name| {
        let guest = Sshd::in_root();
        answer(&home, name, &guest);
        guest
    });
    let run = home.done(["create", "both.yaml"]);
    assert_eq!(
        run.out.matches("services are ready (1 steps)").count(),
        2,
        "{run:?}"
    );
    drop(guests);
}
