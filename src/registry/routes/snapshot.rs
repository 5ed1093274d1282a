//! `GET /api/snapshot`.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame};
use trustnet_core::network::{Node, Now};

use super::{Failure, Known, answer};
use trustnet_core::network::query;

/// About how many bytes are made at once.
const CHUNK: usize = 64 * 1024;

pub async fn snapshot(
    State(registry): Known,
    RawQuery(text): RawQuery,
) -> Result<Response, Failure> {
    query::none(text.as_deref())?;
    // The directory at one moment: the nodes are shared with it, not copied.
    let (version, nodes) = registry.registrar().read(|directory| {
        let nodes: Vec<Arc<Node>> = directory.after(None).map(Arc::clone).collect();
        (directory.version(), nodes)
    });
    let stream = Stream {
        begin: Some(format!("{{\"version\":{version},\"nodes\":[")),
        nodes: nodes.into_iter(),
        first: true,
        now: registry.now(),
        done: false,
    };
    Ok(answer::raw(StatusCode::OK, Body::new(stream)))
}

/// A snapshot, written as it is sent.
struct Stream {
    begin: Option<String>,
    nodes: std::vec::IntoIter<Arc<Node>>,
    first: bool,
    now: Now,
    done: bool,
}

impl Stream {
    fn chunk(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        let mut chunk = Vec::with_capacity(CHUNK + 1024);
        chunk.extend(self.begin.take().unwrap_or_default().into_bytes());
        while chunk.len() < CHUNK {
            let Some(node) = self.nodes.next() else {
                chunk.extend_from_slice(b"]}");
                self.done = true;
                break;
            };
            if !std::mem::replace(&mut self.first, false) {
                chunk.push(b',');
            }
            serde_json::to_writer(&mut chunk, &node.record(&self.now))?;
        }
        Ok(chunk)
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, serde_json::Error>>> {
        if self.done {
            return Poll::Ready(None);
        }
        let chunk = self.chunk();
        Poll::Ready(Some(chunk.map(|chunk| Frame::data(Bytes::from(chunk)))))
    }
}
