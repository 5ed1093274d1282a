//! The record of a network's registries: looked for, explained, published, removed.

use std::io::Write;
use std::net::{Ipv6Addr, UdpSocket};
use std::process::Command;
use std::thread;

use crate::home::Home;
use crate::stand_in::{Answer, StandIn};
use crate::zone_server::{KEY, READER, ZoneServer};

const TOKEN: &str = "secret-token-0123456789";

/// A name server that says of everything that there is no such name.
fn nobody() -> String {
    let socket = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).expect("a socket");
    let address = socket.local_addr().expect("bound").to_string();
    thread::spawn(move || {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            // Its own question, marked as an authoritative response: NXDOMAIN.
            buffer[2] = 0x84 | (buffer[2] & 1);
            buffer[3] = 0x83;
            // What came along beside the question does not go back.
            buffer[10..12].fill(0);
            let end = question_end(&buffer[..length]);
            let _ = socket.send_to(&buffer[..end], from);
        }
    });
    address
}

fn question_end(message: &[u8]) -> usize {
    let labels = message[12..]
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(0);
    12 + labels + 5
}

fn program(home: &Home, name_server: &str) -> Command {
    let mut program = home.program();
    program
        .env("TRUSTNET_NAME_SERVERS", name_server)
        .env("CLOUDFLARE_TOKEN", TOKEN);
    program
}

/// An account with a zone, and a record of somebody else's in the name.
fn cloudflare() -> StandIn {
    StandIn::start(|asked, _| {
        let list = |items: &str| {
            let text = format!(
                r#"{{"success":true,"errors":[],"result":[{items}],"result_info":{{"total_pages":1}}}}"#
            );
            Answer::new(200, text)
        };
        if asked.line.starts_with("GET /zones?") {
            list(r#"{"id":"z1","name":"example.org"}"#)
        } else if asked.line.starts_with("GET") {
            list(
                r#"{"id":"r1","name":"tnr.example.org","type":"AAAA","content":"2001:db8::9","ttl":600,"proxied":false}"#,
            )
        } else {
            Answer::new(200, r#"{"success":true,"errors":[],"result":{"id":"r2"}}"#)
        }
    })
}

fn session(home: &Home, name_server: &str, commands: &[&str]) -> String {
    let mut text = String::new();
    for line in commands {
        text += &home.says_of(&mut program(home, name_server), line.split(' '));
    }
    text.replace(name_server, "[::1]:NAMES")
}

#[test]
fn a_record_that_is_not_there_is_said_in_every_form() {
    let home = Home::new();
    let name_server = nobody();
    insta::assert_snapshot!(session(
        &home,
        &name_server,
        &[
            "dns check example.org",
            "dns check example.org -o wide --address 2001:db8::1",
            "dns check example.org -o json --address 2001:db8::1",
            "dns check example.org --wait --tries 3 --pause 1ms --no-headers",
            "dns check exa_mple.org",
            "dns check example.org --address 192.0.2.1",
        ]
    ));
}

#[test]
fn what_is_to_be_done_by_hand_is_said() {
    let home = Home::new();
    insta::assert_snapshot!(session(
        &home,
        "[::1]:1",
        &[
            "dns instructions example.org --address 2001:db8::1",
            "dns instructions example.org --address 2001:db8::1 --dns-provider route53 -o json",
            "dns instructions lab.example.org --address 2001:db8::1 --dns-provider rfc2136 --dns-zone example.org --dns-endpoint ns1.example.org -o yaml",
            "dns instructions example.org --address ::1",
            "dns instructions example.org",
            "dns publish example.org --address 2001:db8::1 --yes",
            "dns publish example.org --address 2001:db8::1 --dns-provider cloudflare --yes",
            "dns publish example.org --address 2001:db8::1 --dns-provider cloudflare --dns-token-from secret --yes",
            "dns publish example.org --address 2001:db8::1 --dns-provider cloudflare --dns-token-from env:NONE --yes",
        ]
    ));
}

#[test]
fn what_changes_is_shown_asked_for_and_done_and_the_token_is_nowhere() {
    let home = Home::new();
    let (api, name_server) = (cloudflare(), nobody());
    let keeper = format!(
        "--dns-provider cloudflare --dns-endpoint {} --dns-token-from env:CLOUDFLARE_TOKEN",
        api.url()
    );
    let commands = [
        format!("dns publish example.org --address 2001:db8::1 {keeper} --no-wait"),
        format!(
            "dns publish example.org --address 2001:db8::1 {keeper} --tries 2 --pause 1ms --yes"
        ),
        format!("dns publish example.org --address 2001:db8::9 {keeper} --no-wait -o json"),
        format!(
            "dns remove example.org --address 2001:db8::9 --address 2001:db8::1 {keeper} --yes -o json"
        ),
        format!("dns rm example.org --address 2001:db8::1 {keeper} -vv"),
        format!("dns rm example.net --address 2001:db8::1 {keeper}"),
    ];
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let text = session(&home, &name_server, &commands).replace(&api.url(), "http://API");
    assert!(!text.contains(TOKEN));
    // Traces have times.
    let text: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("DEBUG"))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
    let changes = api
        .lines()
        .into_iter()
        .filter(|line| !line.starts_with("GET"));
    let changes: Vec<String> = changes.collect();
    assert_eq!(
        changes,
        [
            "POST /zones/z1/dns_records",
            "DELETE /zones/z1/dns_records/r1"
        ]
    );
}

#[test]
fn the_configuration_says_who_keeps_the_zone() {
    let home = Home::new();
    let (api, name_server) = (cloudflare(), nobody());
    let folder = home.path(".config/trustnet-vm");
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(folder.join("token"), format!("{TOKEN}\n")).expect("a token");
    let config = |text: &str| {
        let mut file = std::fs::File::create(folder.join("config.yaml")).expect("a file");
        file.write_all(text.as_bytes()).expect("written");
    };
    config(&format!(
        "timeout: 90\ndns:\n  provider: cloudflare\n  server: {}\n  tokenFrom: {{ file: token }}\n",
        api.url()
    ));
    let publish = "dns publish example.org --address 2001:db8::1 --no-wait --yes";
    let mut text = session(&home, &name_server, &[publish]);
    assert_eq!(api.asked()[0].authorization, format!("Bearer {TOKEN}"));
    // Flags that name another provider say all of it.
    text += &session(
        &home,
        &name_server,
        &[&format!("{publish} --dns-provider manual")],
    );
    config("dns: { provider: bind }\n");
    text += &session(&home, &name_server, &[publish]);
    config("dns: { provder: cloudflare }\n");
    text += &session(&home, &name_server, &[publish]);
    config("dsn: { provider: cloudflare }\n");
    text += &session(&home, &name_server, &[publish]);
    assert!(!text.contains(TOKEN));
    insta::assert_snapshot!(text);
}

#[test]
fn a_real_name_server_is_updated_looked_at_and_put_back() {
    let Some(server) = ZoneServer::start(&[("example.test", Some("tnr 600 AAAA 2001:db8::9"))])
    else {
        return;
    };
    let home = Home::new();
    home.file("tsig.key", &format!("{KEY}\n"));
    home.file("other.key", READER);
    let keeper = "--dns-provider rfc2136 --tsig-name updater --tsig-key-from file:";
    let commands = [
        format!("dns publish example.test --address 2001:db8::1 {keeper}other.key --yes"),
        format!("dns publish example.test --address 2001:db8::1 {keeper}tsig.key --yes"),
        "dns check example.test --address 2001:db8::1 --no-public".to_owned(),
        format!("dns publish example.test --address 2001:db8::1 {keeper}tsig.key --no-wait"),
        "dns check example.test --address 2001:db8::2".to_owned(),
        format!("dns remove example.test --address 2001:db8::1 {keeper}tsig.key --yes"),
        "dns check example.test -o json".to_owned(),
    ];
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let text = session(&home, &server.address().to_string(), &commands);
    assert!(!text.contains(KEY) && !text.contains(READER));
    // Name servers give addresses in any order.
    let text = text.replace("2001:db8::9, 2001:db8::1", "2001:db8::1, 2001:db8::9");
    insta::assert_snapshot!(text);
}

#[test]
#[cfg(not(feature = "route53"))]
fn route_53_is_built_in_where_it_is_asked_for() {
    let home = Home::new();
    let publish = "dns publish example.org --address 2001:db8::1 --dns-provider route53 --yes";
    insta::assert_snapshot!(session(&home, "[::1]:1", &[publish]));
}
