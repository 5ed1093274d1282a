//! Registries are found by `tnr.<domain>`, at a name server of the test's own.

mod name_server;

use hickory_resolver::proto::rr::RecordType;
use name_server::NameServer;
use trustnet_core::network::Endpoint;
use trustnet_registry::discovery::{Discovery, DiscoveryError};

fn endpoints(texts: &[&str]) -> Vec<Endpoint> {
    let parsed = texts.iter().map(|text| text.parse().expect("an endpoint"));
    parsed.collect()
}

#[tokio::test]
async fn the_addresses_come_in_the_order_of_the_answer() {
    let server = NameServer::start();
    let discovery = Discovery::with(vec![server.address()]);
    for addresses in [
        ["2001:db8::9", "2001:db8::1", "2001:db8::5"],
        ["2001:db8::1", "2001:db8::5", "2001:db8::9"],
    ] {
        server.set("tnr.example.net.", &addresses);
        let found = discovery.registries("example.net").await.expect("found");
        let wanted = addresses.map(|address| format!("[{address}]:8000"));
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        assert_eq!(found, endpoints(&wanted));
    }
}

#[tokio::test]
async fn no_name_is_asked_for_but_that_one() {
    let server = NameServer::start();
    let discovery = Discovery::with(vec![server.address()]);
    let missing = discovery.registries("example.net").await;
    assert!(
        matches!(missing, Err(DiscoveryError::Lookup { .. })),
        "{missing:?}"
    );
    let asked = vec![("tnr.example.net.".to_owned(), RecordType::AAAA)];
    assert_eq!(
        server.asked(),
        asked,
        "no search list, no IPv4, no other label"
    );
}

#[tokio::test]
async fn addresses_that_nobody_answers_at_are_no_registries() {
    let server = NameServer::start();
    let discovery = Discovery::with(vec![server.address()]);
    server.set("tnr.example.net.", &["::", "ff02::1"]);
    assert!(discovery.registries("example.net").await.is_err());
    server.set("tnr.example.net.", &["::", "2001:db8::1"]);
    let found = discovery.registries("example.net").await.expect("found");
    assert_eq!(found, endpoints(&["[2001:db8::1]:8000"]));
    assert!(discovery.registries("exa mple\u{e9}").await.is_err());
}

#[tokio::test]
async fn the_next_name_server_is_asked_where_one_is_silent() {
    // Nobody answers at this port: the socket is bound, and never read.
    let silent = tokio::net::UdpSocket::bind("[::1]:0")
        .await
        .expect("a socket");
    let server = NameServer::start();
    server.set("tnr.example.net.", &["2001:db8::1"]);
    let silent = silent.local_addr().expect("bound");
    let discovery = Discovery::with(vec![silent, server.address()]);
    let found = discovery.registries("example.net").await.expect("found");
    assert_eq!(found, endpoints(&["[2001:db8::1]:8000"]));
}
