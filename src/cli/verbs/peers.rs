//! `peers`: whom a node knows.

use serde_json::json;
use trustnet_api::network::Peers;
use trustnet_core::readiness::clean;

use super::get::serialise;
use crate::args::{self, Output};
use crate::contact::{Contact, Sought};
use crate::failure::{Exit, Failure};
use crate::{Program, table};

/// Lists the peers of a node.
///
/// # Errors
/// It does not answer.
pub fn run(program: &Program, args: &args::Peers) -> Result<Exit, Failure> {
    let (place, ca) = (&args.place, args.ca.as_deref());
    let mut contact = match Contact::at_address(place, ca)? {
        Some(contact) => contact,
        None => Contact::find(&program.connect()?, place, Sought::Node, ca)?,
    };
    let (mut known, _) = contact.get::<Peers>("/api/peers")?;
    known.peers.sort_by(|a, b| a.node_name.cmp(&b.node_name));
    match program.settings.output.value {
        form @ (Output::Table | Output::Wide) => {
            let wide = form == Output::Wide;
            let mut headers = vec!["NAME", "ADDRESS", "REGISTRY"];
            if wide {
                headers.push("NODE ID");
            }
            let rows = known.peers.iter().map(|peer| {
                let mut row = vec![
                    peer.node_name.clone(),
                    format!("[{}]:{}", peer.ipv6_address, peer.port),
                    peer.registry_address.clone(),
                ];
                if wide {
                    row.push(peer.node_id.clone());
                }
                row
            });
            let rows: Vec<Vec<String>> = rows.collect();
            let headers = (!program.no_headers).then_some(headers.as_slice());
            program.ui.result(table::lay_out(headers, &rows));
        }
        Output::Name => known
            .peers
            .iter()
            .for_each(|peer| program.ui.result(format!("{}\n", clean(&peer.node_name)))),
        form => {
            let value = json!({ "kind": "PeerList", "node": contact.name, "items": known.peers });
            program.ui.result(serialise(form, &value)?);
        }
    }
    Ok(Exit::Done)
}
