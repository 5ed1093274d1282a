use std::path::PathBuf;

use trustnet_api::network::{LogFormat, LogLevel, NodeConfig};
use trustnet_api::schema;

use super::{GossipPlan, NodeRegistry, NodeSettings};
use crate::load::configuration;
use crate::network::RootPlace;
use crate::problem::Problem;

const NODE: &str = include_str!("../seed/node.yml");

fn load(text: &str) -> Result<NodeSettings, Vec<Problem>> {
    let wrong = |config: &NodeConfig| NodeSettings::resolve(config).err().unwrap_or_default();
    let schema = schema::configuration::<NodeConfig>();
    let config = configuration(text.as_bytes(), &schema, wrong)?;
    NodeSettings::resolve(&config)
}

/// What is wrong with the seed's file when a line stands instead of another: line, path, text.
fn wrong(from: &str, to: &str) -> Vec<String> {
    assert!(NODE.contains(from), "{from}");
    let problems = load(&NODE.replacen(from, to, 1)).expect_err("refused");
    let line = |problem: &Problem| problem.place.map_or(0, |place| place.line);
    problems
        .iter()
        .map(|problem| format!("{}: {problem}", line(problem)))
        .collect()
}

#[test]
fn the_nodes_file_of_the_seed_says_all_of_this() {
    let expected = NodeSettings {
        name: "node-1".to_owned(),
        domain: "bucoto.com".to_owned(),
        address: "2001:db8::100".parse().expect("valid"),
        port: 9000,
        data: PathBuf::from("/var/lib/trustnet-node"),
        tls: None,
        registry: NodeRegistry::Integrated {
            port: 8000,
            database: PathBuf::from("/var/lib/trustnet-node/registry-replica.db"),
            root: RootPlace {
                address: None,
                domain: Some("bucoto.com".to_owned()),
            },
            administrator: None,
        },
        lookup_domain: "bucoto.com".to_owned(),
        join_token_file: None,
        ca: None,
        gossip: Some(GossipPlan {
            port: None,
            interval: 30_000,
            peers_per_batch: 5,
        }),
        carried: vec!["consensus", "transaction_pool"],
        heartbeat_interval: 30_000,
        heartbeat_timeout: 5000,
        log_level: LogLevel::Info,
        log_format: LogFormat::Json,
    };
    assert_eq!(load(NODE), Ok(expected));
}

#[test]
fn little_is_enough() {
    let settings = load("node: {name: a, domain: Example.NET, ipv6_address: '::'}").expect("valid");
    assert_eq!(settings.port, 9000);
    assert_eq!(settings.domain, "example.net");
    assert_eq!(settings.lookup_domain, "example.net");
    assert_eq!(settings.registry, NodeRegistry::External { address: None });
    assert!(settings.gossip.is_some());
    assert!(settings.carried.is_empty());
}

#[test]
fn one_certificate_is_that_of_the_node_and_of_its_registry() {
    let text = NODE.replacen(
        "  port: 9000",
        "  tls: { certificate: /c.pem, key: /k.pem }",
        1,
    );
    let text = text.replacen(
        "  type: \"integrated\"",
        "  ca: /ca.pem\n  type: integrated",
        1,
    );
    let settings = load(&text).expect("valid");
    assert_eq!(settings.ca, Some(PathBuf::from("/ca.pem")));
    assert!(settings.tls.is_some_and(|tls| tls.key == *"/k.pem"));
    // A node whose registry is elsewhere needs none to call it.
    let text = "node: {name: a, domain: example.net, ipv6_address: '::'}\nregistry: {ca: /ca.pem}";
    assert!(load(text).is_ok());
}

#[test]
fn gossip_may_be_turned_off() {
    let settings = load(&NODE.replace("enabled: true", "enabled: false")).expect("valid");
    assert_eq!(settings.gossip, None);
}

#[test]
fn unknown_keys_and_wrong_values_are_told_with_their_lines() {
    let mut told = Vec::new();
    for (from, to) in [
        ("  port: 9000", "  prot: 9000"),
        ("name: \"node-1\"", "name: \"Node 1\""),
        ("\"2001:db8::100\"", "\"203.0.113.1\""),
        ("\"2001:db8::100\"", "\"ff02::1\""),
        ("port: 9000", "port: 0"),
        ("\"127.0.0.1:8000\"", "\"::1:8000\""),
        ("  type: \"integrated\"", "  type: \"internal\""),
        ("  type: \"integrated\"", "  type: external\n  database: /a"),
        (
            "  type: \"integrated\"",
            "  type: integrated\n  administrator_key: abc",
        ),
        (
            "  type: \"integrated\"",
            "  type: external\n  administrator_key: abc",
        ),
        ("fallback_domain: \"bucoto.com\"", "fallback_domain: \"-\""),
        ("registry_interval: 30", "registry_interval: 0"),
        ("peers_per_batch: 5", "peers_per_batch: 0"),
        ("validators: 1", "validator: 1"),
        (
            "  type: \"integrated\"",
            "  ca: /ca.pem\n  type: integrated",
        ),
        (
            "  port: 9000",
            "  tls: { certificate: /c.pem, key: /k.pem }",
        ),
        ("  port: 9000", "  tls: { key: /k.pem }"),
    ] {
        told.extend(wrong(from, to));
    }
    insta::assert_snapshot!(told.join("\n"));
}
