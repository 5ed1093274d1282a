//! The server: connections, their limits, and their end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service as _;
use trustnet_core::network::Limits;
use trustnet_registry::service::within_files;
use trustnet_registry::tls::Tls;
use trustnet_registry::worded::Worded;

/// What connections may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The most connections at once.
    pub places: usize,
    /// How long a handshake of TLS may take, and the headers of a request, and how long a connection may lie idle.
    pub headers: Duration,
    /// How long a connection may last: no answer of a node takes long, and nobody needs to stay.
    pub life: Duration,
}

impl Patience {
    /// As many connections as a registry takes by itself, and as this process may have files for, which runs so many
    /// servers.
    pub fn of_process(servers: u64) -> Self {
        Self {
            places: within_files(Limits::default(), servers).connections,
            headers: Duration::from_secs(15),
            life: Duration::from_secs(300),
        }
    }
}

/// The most bytes of a request's headers, about.
const MAX_HEADERS: usize = 16 * 1024;

/// Serves until the end is asked for, and until what has begun is answered; by TLS, if there is a certificate.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    patience: Patience,
    mut end: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(patience.places));
    let (open, mut closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = end.wait_for(|end| *end) => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        // One too many is told so by the end of its connection.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (router, tls, end) = (router.clone(), tls.clone(), end.clone());
        let open = open.clone();
        tokio::spawn(async move {
            let served = serve(stream, tls, router, patience.headers, end);
            if timeout(patience.life, served).await.is_err() {
                tracing::debug!("a connection was cut: it lasted too long");
            }
            drop((place, open));
        });
    }
    drop((listener, open));
    // Nobody has the other end any more when every connection is at its end.
    let _ = closed.recv().await;
}

async fn serve(
    stream: TcpStream,
    tls: Option<Arc<Tls>>,
    router: Router,
    headers: Duration,
    mut end: watch::Receiver<bool>,
) {
    // What has sent nothing yet has no buffers: it costs a task only.
    tokio::select! {
        ready = timeout(headers, stream.readable()) => {
            if !matches!(ready, Ok(Ok(()))) {
                return;
            }
        }
        _ = end.wait_for(|end| *end) => return,
    }
    // On the heap: they would make every connection's task as large.
    match tls {
        Some(tls) => Box::pin(secured(stream, &tls, router, headers, end)).await,
        None => Box::pin(connection(stream, router, headers, end)).await,
    }
}

async fn secured(
    stream: TcpStream,
    tls: &Arc<Tls>,
    router: Router,
    headers: Duration,
    mut end: watch::Receiver<bool>,
) {
    let accepted = tokio::select! {
        accepted = tls.accept(stream, headers) => accepted,
        _ = end.wait_for(|end| *end) => return,
    };
    match accepted {
        Ok(stream) => connection(stream, router, headers, end).await,
        Err(error) => tracing::debug!(%error, "no TLS came about"),
    }
}

async fn connection<S>(stream: S, router: Router, headers: Duration, mut end: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| router.clone().call(request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(headers)
            .max_buf_size(MAX_HEADERS)
            .serve_connection(TokioIo::new(Worded::new(stream)), service)
    );
    let mut end = std::pin::pin!(async move {
        // It is at its end, too, when nobody is left to ask for it.
        let _ = end.wait_for(|end| *end).await;
    });
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = end.as_mut() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "a connection was cut");
    }
}

#[cfg(test)]
mod tests;
