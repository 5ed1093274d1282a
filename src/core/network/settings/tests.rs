use std::path::PathBuf;

use trustnet_api::network::{LogFormat, LogLevel, RegistryConfig, RegistryRole};
use trustnet_api::schema;

use super::{Limits, RegistrySettings, ReplicationSettings, RootPlace, SnapshotSettings, TlsFiles};
use crate::load::configuration;
use crate::network::Liveness;
use crate::problem::Problem;

const ROOT: &str = include_str!("seed/root.yml");
const INTEGRATED: &str = include_str!("seed/secondary-integrated.yml");
const INDEPENDENT: &str = include_str!("seed/secondary-independent.yml");

fn load(text: &str) -> Result<RegistrySettings, Vec<Problem>> {
    let wrong =
        |config: &RegistryConfig| RegistrySettings::resolve(config).err().unwrap_or_default();
    let schema = schema::configuration::<RegistryConfig>();
    let config = configuration(text.as_bytes(), &schema, wrong)?;
    RegistrySettings::resolve(&config)
}

/// What is wrong with the root's file when a line stands instead of another: line, path, text, hint.
fn wrong(from: &str, to: &str) -> Vec<String> {
    assert!(ROOT.contains(from), "{from}");
    let problems = load(&ROOT.replacen(from, to, 1)).expect_err("refused");
    let line = |problem: &Problem| problem.place.map_or(0, |place| place.line);
    let text = |problem: &Problem| {
        let hint = problem.hint.as_deref().unwrap_or_default();
        format!("{}: {problem}; {hint}", line(problem))
    };
    problems.iter().map(text).collect()
}

#[test]
fn the_roots_file_of_the_seed_says_all_of_this() {
    let settings = load(ROOT).expect("valid");
    let expected = RegistrySettings {
        role: RegistryRole::Root,
        address: "2001:db8::1".parse().expect("valid"),
        port: 8000,
        domain: String::new(),
        root: RootPlace::default(),
        join_token_file: None,
        administrator: None,
        tls: None,
        ca: None,
        database: PathBuf::from("/data/registry.db"),
        replication: ReplicationSettings {
            refresh: 60_000,
            timeout: 10_000,
            max_queued_writes: 5000,
            backoff_initial: 1000,
            backoff_max: 60_000,
            backoff_multiplier: 2.0,
        },
        liveness: Liveness::default(),
        snapshots: Some(SnapshotSettings {
            interval: 3_600_000,
            folder: PathBuf::from("/data/snapshots"),
        }),
        limits: Limits::default(),
        log_level: LogLevel::Info,
        log_format: LogFormat::Json,
    };
    assert_eq!(settings, expected);
}

#[test]
fn the_secondaries_files_of_the_seed_find_their_root() {
    let integrated = load(INTEGRATED).expect("valid");
    assert_eq!(integrated.role, RegistryRole::Secondary);
    let dns = RootPlace {
        address: None,
        domain: Some("bucoto.com".to_owned()),
    };
    assert_eq!(integrated.root, dns);
    assert_eq!(integrated.replication.max_queued_writes, 1000);
    assert_eq!(integrated.snapshots, None);

    let independent = load(INDEPENDENT).expect("valid");
    let both = RootPlace {
        address: Some("[2001:db8::1]:8000".parse().expect("valid")),
        ..dns
    };
    assert_eq!(independent.root, both);
    assert_eq!(independent.replication.max_queued_writes, 5000);
    // It calls its snapshots backups.
    let snapshots = independent.snapshots.expect("valid");
    assert_eq!(snapshots.folder, PathBuf::from("/data/backups"));
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_the_word_that_was_meant() {
    assert_eq!(
        wrong("max_connections", "max_conections"),
        [
            "11: `database.max_conections`: `max_conections` is not known; did you mean `max_connections`?"
        ]
    );
    let found = wrong("logging:", "loging:");
    assert_eq!(
        found,
        ["26: `loging`: `loging` is not known; did you mean `logging`?"]
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let text = ROOT
        .replacen("port: 8000", "port: 0", 1)
        .replacen("interval: 30", "intervall: 30", 1)
        .replacen("\"2001:db8::1\"", "\"192.0.2.1\"", 1)
        .replacen("enabled: false", "enabled: perhaps", 1);
    let problems = load(&text).expect_err("refused");
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    let expected = [
        "registry.ipv6_address",
        "registry.port",
        "replication.enabled",
        "heartbeat.intervall",
    ];
    assert_eq!(paths, expected);
    assert!(problems.iter().all(|problem| problem.place.is_some()));
}

#[test]
fn values_that_make_no_sense_are_refused() {
    let cases = [
        ("role: \"root\"", "role: \"rooot\"", "registry.role"),
        ("type: \"sqlite\"", "type: \"postgres\"", "database.type"),
        ("path: \"/data/registry.db\"", "path: \"\"", "database.path"),
        ("enabled: false", "enabled: true", "replication.enabled"),
        ("interval: 30", "interval: 0", "heartbeat.interval"),
        ("interval: 30", "interval: 2000", "heartbeat"),
        ("interval: 30", "inactive_after: 10", "heartbeat"),
        ("snapshot_path: \"/data/snapshots\"", "{}", "persistence"),
        ("level: \"info\"", "level: loud", "logging.level"),
        (
            "enabled: false",
            "backoff: { multiplier: 0.5 }",
            "replication.backoff.multiplier",
        ),
        (
            "enabled: false",
            "backoff: { multiplier: two }",
            "replication.backoff.multiplier",
        ),
        (
            "enabled: false",
            "backoff: { initial: 9, max: 3 }",
            "replication.backoff.max",
        ),
        ("port: 8000", "root_registry: {}", "registry.root_registry"),
        (
            "port: 8000",
            "administrator_key: abc",
            "registry.administrator_key",
        ),
        ("port: 8000", "domain: a..b", "registry.domain"),
        ("port: 8000", "port: 65536", "registry.port"),
        (
            "port: 8000",
            "tls: { certificate: a, key: '' }",
            "registry.tls.key",
        ),
        ("port: 8000", "tls: { certificate: a }", "registry.tls.key"),
        ("port: 8000", "ca: ''", "registry.ca"),
    ];
    for (from, to, path) in cases {
        if to == "{}" {
            let text = ROOT.replacen("  snapshot_path: \"/data/snapshots\"\n", "", 1);
            let problems = load(&text).expect_err("refused");
            assert_eq!(problems[0].path, path);
            continue;
        }
        let found = wrong(from, to);
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert!(found[0].contains(&format!("`{path}`:")), "{to}: {found:?}");
    }
}

#[test]
fn a_secondary_without_a_way_to_its_root_is_refused() {
    let text = INTEGRATED.replacen("    domain: \"bucoto.com\"\n", "", 1);
    let problems = load(&text).expect_err("refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "registry.root_registry");
    // The network's own domain is a way.
    let text = text.replacen("port: 8000", "port: 8000\n  domain: Bucoto.COM", 1);
    assert_eq!(
        load(&text).expect("valid").root.domain.as_deref(),
        Some("bucoto.com")
    );
}

#[test]
fn a_secondary_that_speaks_tls_says_how_its_root_is_verified() {
    let tls = "port: 8000\n  tls: { certificate: /c.pem, key: /k.pem }";
    let root = load(&ROOT.replacen("port: 8000", tls, 1)).expect("valid");
    let files = TlsFiles {
        certificate: PathBuf::from("/c.pem"),
        key: PathBuf::from("/k.pem"),
    };
    assert_eq!((root.tls, root.ca), (Some(files), None));
    let text = INTEGRATED.replacen("port: 8000", tls, 1);
    let problems = load(&text).expect_err("refused");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "registry.ca");
    let text = text.replacen("port: 8000", "port: 8000\n  ca: /ca.pem", 1);
    let settings = load(&text).expect("valid");
    assert_eq!(settings.ca, Some(PathBuf::from("/ca.pem")));
    // A proxy may stand before this one, and speak TLS for it.
    let text = INTEGRATED.replacen("port: 8000", "port: 8000\n  ca: /ca.pem", 1);
    assert_eq!(load(&text).expect("valid").tls, None);
}

#[test]
fn what_is_no_configuration_is_refused() {
    for text in [
        "",
        "# nothing\n",
        "[]",
        "text",
        "a: b\n---\nc: d\n",
        "a: [",
        "\u{0}",
        "registry: {}\nregistry: {}\n",
    ] {
        assert!(load(text).is_err(), "{text:?}");
    }
    let problems = load("{}").expect_err("refused");
    let paths: Vec<&str> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(paths, ["registry", "database"]);
}
