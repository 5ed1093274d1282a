//! What somebody does to add the record by hand, at whoever keeps the zone.

use std::fmt::Write;
use std::net::SocketAddr;

use trustnet_api::dns::{DnsInstructions, DnsProvider, DnsSection};

use super::zone::host_in;
use super::{Record, TTL};

/// What is to be done for a record, in the words of who keeps the zone. Where the section names no zone that the record is
/// in, it is the domain's own.
#[must_use]
pub fn instructions(record: &Record, section: &DnsSection) -> DnsInstructions {
    let provider = section.provider.unwrap_or_default();
    let name = record.name();
    let named = section.zone.as_deref().and_then(|zone| {
        let host = host_in(&name, zone)?;
        Some((zone.trim_end_matches('.').to_owned(), host))
    });
    let (zone, host) = named.unwrap_or_else(|| {
        let zone = record.domain().to_owned();
        let host = host_in(&name, &zone).unwrap_or_else(|| name.clone());
        (zone, host)
    });
    let values: Vec<String> = record.addresses().iter().map(ToString::to_string).collect();
    let steps = match provider {
        DnsProvider::Manual => manual(&name, &zone, &values),
        DnsProvider::Route53 => route53(&host, &zone, &values),
        DnsProvider::Cloudflare => cloudflare(&host, &zone, &values),
        DnsProvider::Rfc2136 => rfc2136(&name, &zone, &values, section),
    };
    let flags: Vec<String> = values
        .iter()
        .map(|value| format!("--address {value}"))
        .collect();
    let verify = vec![
        format!(
            "trustnet-vm dns check {} {}",
            record.domain(),
            flags.join(" ")
        ),
        format!("dig +short {name} AAAA"),
    ];
    DnsInstructions {
        kind: "DnsInstructions",
        provider,
        name,
        zone,
        host,
        record_type: "AAAA",
        ttl: TTL,
        addresses: record.addresses().to_vec(),
        steps,
        verify,
    }
}

fn manual(name: &str, zone: &str, values: &[String]) -> Vec<String> {
    vec![
        format!(
            "Ask whoever keeps the zone `{zone}` for this record, or add it there yourself: \
             `{name}`, type AAAA, TTL {TTL}, {}.",
            counted("value", values)
        ),
        "Values that are there already stay: they are other registries of the network.".to_owned(),
    ]
}

fn route53(host: &str, zone: &str, values: &[String]) -> Vec<String> {
    vec![
        format!("Open Route 53 in the AWS console, and there the public hosted zone `{zone}`."),
        format!(
            "Choose \"Create record\"; where `{host}` has an AAAA record already, edit that one."
        ),
        format!("Record name `{host}`, record type AAAA, routing policy simple."),
        format!(
            "{}, one a line, below those that are there.",
            counted("Value", values)
        ),
        format!("TTL {TTL} seconds. Save."),
    ]
}

fn cloudflare(host: &str, zone: &str, values: &[String]) -> Vec<String> {
    let mut steps = vec![format!(
        "Open the zone `{zone}` in the Cloudflare dashboard, and there DNS, Records."
    )];
    steps.extend(values.iter().map(|value| {
        format!("\"Add record\": type AAAA, name `{host}`, IPv6 address {value}, TTL 5 min.")
    }));
    steps.push(
        "Proxy status of each: DNS only. A proxied record gives Cloudflare's addresses, and no registry is found."
            .to_owned(),
    );
    steps.push("Save.".to_owned());
    steps
}

fn rfc2136(name: &str, zone: &str, values: &[String], section: &DnsSection) -> Vec<String> {
    let mut lines = vec![
        "Send this to the zone's primary, with a key that it takes (`nsupdate -k KEYFILE`):"
            .to_owned(),
    ];
    if let Some(server) = &section.server {
        let (host, port) = match server.parse::<SocketAddr>() {
            Ok(at) => (at.ip().to_string(), at.port().to_string()),
            Err(_) => (server.clone(), String::new()),
        };
        lines.push(format!("server {host} {port}").trim_end().to_owned());
    }
    lines.push(format!("zone {zone}."));
    let adds = values
        .iter()
        .map(|value| format!("update add {name}. {TTL} AAAA {value}"));
    lines.extend(adds);
    lines.push("send".to_owned());
    vec![lines.join("\n")]
}

fn counted(noun: &str, values: &[String]) -> String {
    let plural = if values.len() == 1 { "" } else { "s" };
    format!("{noun}{plural} {}", values.join(" and "))
}

/// The instructions for a person.
#[must_use]
pub fn text(instructions: &DnsInstructions) -> String {
    let DnsInstructions {
        name, zone, host, ..
    } = instructions;
    let mut text = format!(
        "DNS record wanted\n\n  Name   {name}  (`{host}` in the zone `{zone}`)\n  Type   AAAA (IPv6)\n  TTL    {} seconds\n",
        instructions.ttl
    );
    for (index, address) in instructions.addresses.iter().enumerate() {
        let label = if index == 0 { "Value" } else { "     " };
        let _ = writeln!(text, "  {label}  {address}");
    }
    let _ = writeln!(text, "\nHow ({}):", instructions.provider.word());
    for (index, step) in instructions.steps.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", index + 1, step.replace('\n', "\n       "));
    }
    text.push_str("\nWhether it worked:\n");
    for line in &instructions.verify {
        let _ = writeln!(text, "  {line}");
    }
    text
}
