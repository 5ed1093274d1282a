//! The server: connections, their limits, and their end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tower_service::Service as _;
use trustnet_api::network::{REPLICA_LAG, RegistryRole};
use trustnet_core::network::Limits;

use crate::metrics;
use crate::registry::Registry;
use crate::routes::routes;
use crate::stream::Patient;
use crate::tls::Tls;
use crate::worded::Worded;

/// How long requests that have begun may take after the end was asked for.
const DRAIN: Duration = Duration::from_secs(10);
/// The most bytes of a request's headers, about.
const MAX_HEADERS: usize = 16 * 1024;

/// Serves until the end is asked for, and until what has begun is answered; by TLS, if there is a certificate.
pub async fn run(
    listener: TcpListener,
    registry: Arc<Registry>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    mut end: watch::Receiver<bool>,
) {
    let server = Arc::new(Server {
        router: routes(Arc::clone(&registry)),
        registry: Arc::clone(&registry),
        limits,
        tls,
        end: end.clone(),
    });
    let places = Arc::new(Semaphore::new(limits.connections));
    let (open, mut closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = end.wait_for(|end| *end) => break,
        };
        let (stream, from) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                refused(&error).await;
                continue;
            }
        };
        // One too many is told so by the end of its connection: an answer would be work for whoever asks for it.
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            registry.metrics().refused();
            continue;
        };
        let (server, open) = (Arc::clone(&server), open.clone());
        tokio::spawn(async move {
            server.connection(stream, from).await;
            drop((place, open));
        });
    }
    drop((listener, open));
    registry.end();
    if timeout(DRAIN, closed.recv()).await.is_err() {
        tracing::warn!("some requests were not at their end in time: they are cut");
    }
}

/// Not accepting is no reason to stop: the other side is gone, or there are too many files.
async fn refused(error: &io::Error) {
    tracing::warn!(%error, "a connection was not accepted");
    let ours = !matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if ours {
        sleep(Duration::from_millis(100)).await;
    }
}

struct Server {
    router: Router,
    registry: Arc<Registry>,
    limits: Limits,
    tls: Option<Arc<Tls>>,
    end: watch::Receiver<bool>,
}

impl Server {
    async fn connection(self: Arc<Self>, stream: TcpStream, from: SocketAddr) {
        let registry = Arc::clone(&self.registry);
        let _counted = registry.metrics().connected();
        let mut end = self.end.clone();
        let mut end = std::pin::pin!(async move {
            // It is at its end, too, when nobody is left to ask for it.
            let _ = end.wait_for(|end| *end).await;
        });
        let patience = Duration::from_millis(self.limits.header_timeout);
        // What has sent nothing yet has no buffers: it costs a task only.
        tokio::select! {
            ready = timeout(patience, stream.readable()) => {
                if !matches!(ready, Ok(Ok(()))) {
                    return;
                }
            }
            () = end.as_mut() => return,
        }
        // Answers are small, and awaited.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, patience);
        let Some(tls) = self.tls.clone() else {
            return self.speak(stream, from, end).await;
        };
        // On the heap: it would make every connection's task as large.
        let secured = Box::pin(async move {
            let accepted = tokio::select! {
                accepted = tls.accept(stream, patience) => accepted,
                () = end.as_mut() => return,
            };
            match accepted {
                Ok(stream) => self.speak(stream, from, end).await,
                Err(error) => tracing::debug!(%error, %from, "no TLS came about"),
            }
        });
        secured.await;
    }

    async fn speak<S>(
        self: Arc<Self>,
        stream: S,
        from: SocketAddr,
        end: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let patience = Duration::from_millis(self.limits.header_timeout);
        let service = Handler { server: self, from };
        let mut connection = std::pin::pin!(
            http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(patience)
                .max_buf_size(MAX_HEADERS)
                .serve_connection(TokioIo::new(Worded::new(stream)), service)
        );
        let done = tokio::select! {
            done = connection.as_mut() => done,
            () = end => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = done {
            tracing::debug!(%error, %from, "a connection was cut");
        }
    }
}

struct Handler {
    server: Arc<Server>,
    from: SocketAddr,
}

impl hyper::service::Service<Request<Incoming>> for Handler {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<Body>, std::convert::Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let begin = Instant::now();
        let route = metrics::route(request.uri().path());
        request.extensions_mut().insert(self.from);
        let answer = self.server.router.clone().call(request);
        let registry = Arc::clone(&self.server.registry);
        Box::pin(async move {
            let mut response = answer.await?;
            if registry.role() == RegistryRole::Secondary {
                lag(&registry, &mut response);
            }
            registry
                .metrics()
                .answered(route, response.status(), begin.elapsed());
            Ok(response)
        })
    }
}

/// A secondary says how far behind it is.
fn lag(registry: &Registry, response: &mut Response<Body>) {
    let seconds = registry.replication().lag_seconds;
    if let Ok(value) = HeaderValue::from_str(&format!("{seconds:.3}")) {
        response
            .headers_mut()
            .insert(HeaderName::from_static(REPLICA_LAG), value);
    }
}
