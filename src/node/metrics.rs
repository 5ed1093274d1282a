//! What a node counts, as OpenMetrics.

use std::fmt::{self, Write as _};

use crate::view::{View, Who};

/// The media type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The text. Ids, names and versions have no character that a label would have to escape.
pub(crate) fn text(who: &Who, view: &View) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut text, who, view);
    text
}

fn write(text: &mut String, who: &Who, view: &View) -> fmt::Result {
    let standing = &view.standing;
    writeln!(text, "# TYPE trustnet_node info")?;
    writeln!(text, "# HELP trustnet_node Who the node is.")?;
    writeln!(
        text,
        "trustnet_node_info{{node_id=\"{}\",node_name=\"{}\",domain=\"{}\",version=\"{}\",consensus=\"not included\",transaction_pool=\"not included\"}} 1",
        who.id,
        who.name,
        who.domain,
        env!("CARGO_PKG_VERSION")
    )?;
    let flags = [
        (
            "registered",
            standing.registered,
            "Whether the node is in the directory.",
        ),
        (
            "well",
            standing.well,
            "Whether it is registered, and its last call was answered.",
        ),
    ];
    for (name, value, help) in flags {
        writeln!(text, "# TYPE trustnet_node_{name} gauge")?;
        writeln!(text, "# HELP trustnet_node_{name} {help}")?;
        writeln!(text, "trustnet_node_{name} {}", u8::from(value))?;
    }
    if let Some(at) = standing.heard_at {
        writeln!(text, "# TYPE trustnet_node_registry_answer_seconds gauge")?;
        writeln!(text, "# UNIT trustnet_node_registry_answer_seconds seconds")?;
        let help = "When a registry last took a registration or a heartbeat, since 1970.";
        writeln!(text, "# HELP trustnet_node_registry_answer_seconds {help}")?;
        writeln!(text, "trustnet_node_registry_answer_seconds {}", at / 1000)?;
    }
    writeln!(text, "# TYPE trustnet_node_peers gauge")?;
    writeln!(
        text,
        "# HELP trustnet_node_peers Peers that are known, and those that live."
    )?;
    for (state, count) in [("known", view.counts.known), ("alive", view.counts.alive)] {
        writeln!(text, "trustnet_node_peers{{state=\"{state}\"}} {count}")?;
    }
    if let Some(gossip) = view.gossip {
        let name = "trustnet_node_gossip_datagrams";
        writeln!(text, "# TYPE {name} counter")?;
        writeln!(
            text,
            "# HELP {name} Datagrams of gossip, by what became of them."
        )?;
        let counts = [
            ("sent", gossip.sent),
            ("received", gossip.received),
            ("limited", gossip.limited),
            ("sealed", gossip.sealed),
            ("malformed", gossip.malformed),
            ("forged", gossip.forged),
            ("banned", gossip.banned),
        ];
        for (result, count) in counts {
            writeln!(text, "{name}_total{{result=\"{result}\"}} {count}")?;
        }
    }
    writeln!(text, "# EOF")
}
