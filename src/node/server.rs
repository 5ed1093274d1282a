//! The server: connections, their limits, and their end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service as _;
use trustnet_registry::tls::Tls;
use trustnet_registry::worded::Worded;

/// The most connections at once.
const CONNECTIONS: u32 = 512;
/// How long a handshake of TLS may take, and the headers of a request, and how long a connection may lie idle.
const HEADERS: Duration = Duration::from_secs(15);
/// How long a connection may last: no answer of a node takes long, and nobody needs to stay.
const LIFE: Duration = Duration::from_secs(300);
/// The most bytes of a request's headers, about.
const MAX_HEADERS: usize = 16 * 1024;

/// Serves until the end is asked for, and until what has begun is answered; by TLS, if there is a certificate.
pub(crate) async fn run(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    mut end: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS as usize));
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
        tokio::spawn(async move {
            let served = async {
                match tls {
                    Some(tls) => secured(stream, &tls, router, end).await,
                    None => connection(stream, router, end).await,
                }
            };
            if timeout(LIFE, served).await.is_err() {
                tracing::debug!("a connection was cut: it lasted too long");
            }
            drop(place);
        });
    }
    drop(listener);
    // Every place is free again when every connection is at its end.
    let _ = places.acquire_many(CONNECTIONS).await;
}

async fn secured(
    stream: TcpStream,
    tls: &Arc<Tls>,
    router: Router,
    mut end: watch::Receiver<bool>,
) {
    let accepted = tokio::select! {
        accepted = tls.accept(stream, HEADERS) => accepted,
        _ = end.wait_for(|end| *end) => return,
    };
    match accepted {
        Ok(stream) => connection(stream, router, end).await,
        Err(error) => tracing::debug!(%error, "no TLS came about"),
    }
}

async fn connection<S>(stream: S, router: Router, mut end: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(move |request| router.clone().call(request));
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS)
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
mod tests {
    use std::time::Duration;

    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::{CONNECTIONS, run};

    #[tokio::test]
    async fn idle_connections_take_no_more_than_their_places_and_do_not_delay_the_end() {
        let listener = TcpListener::bind("[::1]:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let router = Router::new().route("/", get(|| async { "here" }));
        let (end, ending) = watch::channel(false);
        let serving = tokio::spawn(run(listener, router, None, ending));
        let mut idle = Vec::new();
        for _ in 0..CONNECTIONS - 1 {
            idle.push(TcpStream::connect(address).await.expect("a connection"));
        }
        let mut last = TcpStream::connect(address).await.expect("a connection");
        last.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .expect("sent");
        let mut bytes = [0; 12];
        last.read_exact(&mut bytes).await.expect("an answer");
        assert_eq!(&bytes, b"HTTP/1.1 200");
        // There is no place for one more: its connection ends.
        let mut more = TcpStream::connect(address).await.expect("a connection");
        assert_eq!(more.read(&mut bytes).await.unwrap_or(0), 0);
        end.send_replace(true);
        let ended = timeout(Duration::from_secs(30), serving).await;
        ended.expect("in time").expect("no panic");
    }
}
