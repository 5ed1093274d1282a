//! One question over HTTP, and its answer: at an address, or inside a guest over its connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;

use crate::shell::{Shell, ShellError};
use crate::trust::{Trust, is_misnamed};

/// The most of an answer that is read.
const MOST: usize = 16 << 20;
/// The most headers of an answer.
const HEADERS: usize = 64;

/// A question without a body.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The method, in capitals.
    pub method: &'a str,
    /// The path with its query.
    pub path: &'a str,
    /// Further headers. Their values hold no control characters.
    pub headers: &'a [(&'a str, &'a str)],
}

impl<'a> Question<'a> {
    /// What is at a path.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self {
            method: "GET",
            path,
            headers: &[],
        }
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
    /// How long it took, the connection included.
    pub took: Duration,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum InquiryError {
    /// Nothing answers there.
    #[error("failed to reach {to}")]
    Unreachable {
        /// Where.
        to: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing listens there inside the guest.
    #[error(transparent)]
    Closed(ShellError),
    /// It broke off.
    #[error("failed to ask {to}")]
    Broken {
        /// Where.
        to: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It answers, and TLS with it does not come about.
    #[error("failed to speak TLS with {to}")]
    Tls {
        /// Where.
        to: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Nothing is known that whoever answers there could be certified as.
    #[error(
        "neither its address nor its domain is known, and so nothing to verify its certificate by"
    )]
    Nameless,
    /// Time was up before the answer was there.
    #[error("{to} has not answered within {} s", .limit.as_secs_f32())]
    Slow {
        /// Where.
        to: String,
        /// How long was waited.
        limit: Duration,
    },
    /// The answer is something else.
    #[error("what answers there does not speak HTTP")]
    NotHttp,
    /// The answer does not end.
    #[error("the answer has more than {} MiB", MOST >> 20)]
    TooLarge,
}

/// Asks at an address; by TLS, if it is said who is trusted. `limit` bounds the whole.
///
/// # Errors
/// There is no answer.
pub fn at(
    address: SocketAddr,
    trust: Option<&Trust>,
    question: &Question<'_>,
    limit: Duration,
) -> Result<Answer, InquiryError> {
    let begun = Instant::now();
    let to = address.to_string();
    each(trust, |name| {
        let left = limit.saturating_sub(begun.elapsed());
        let left = left.max(Duration::from_millis(1));
        let stream = TcpStream::connect_timeout(&address, left);
        let stream = stream.map_err(|source| InquiryError::Unreachable {
            to: to.clone(),
            source,
        })?;
        let end = begun + limit;
        let stream = Timed { stream, end };
        asked(stream, name, &to, question, begun, limit)
    })
}

/// Asks inside a guest, over its connection; by TLS, if it is said who is trusted. `limit` bounds the whole.
///
/// # Errors
/// The outer one: the connection to the guest is gone. The inner one: there is no answer.
pub fn through(
    shell: &mut dyn Shell,
    (host, port): (&str, u16),
    trust: Option<&Trust>,
    question: &Question<'_>,
    limit: Duration,
) -> Result<Result<Answer, InquiryError>, ShellError> {
    let begun = Instant::now();
    let to = authority(host, port);
    let answer = each(trust, |name| {
        let stream = shell.dial(host, port, limit);
        let stream = stream.map_err(InquiryError::Closed)?;
        asked(stream, name, &to, question, begun, limit)
    });
    match answer {
        Err(InquiryError::Closed(error)) if error.is_lost() => Err(error),
        other => Ok(other),
    }
}

/// A trusted name, and how it is known that the other side has it.
type Named<'a> = Option<(&'a Trust, &'a ServerName<'static>)>;

/// Asks once, and where TLS is spoken as often as there are names, until one is that of who answers.
fn each(
    trust: Option<&Trust>,
    mut ask: impl FnMut(Named<'_>) -> Result<Answer, InquiryError>,
) -> Result<Answer, InquiryError> {
    let Some(trust) = trust else {
        return ask(None);
    };
    let Some((last, others)) = trust.names().split_last() else {
        return Err(InquiryError::Nameless);
    };
    for name in others {
        match ask(Some((trust, name))) {
            Err(InquiryError::Tls { source, .. }) if is_misnamed(&source) => {}
            other => return other,
        }
    }
    ask(Some((trust, last)))
}

/// A stream whose time is up at some point, however little comes at once.
struct Timed {
    stream: TcpStream,
    end: Instant,
}

impl Timed {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.end.checked_duration_since(Instant::now());
        let left = left.filter(|left| !left.is_zero());
        left.map(Some).ok_or_else(|| io::ErrorKind::TimedOut.into())
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// Asks over a stream, or over TLS over it.
fn asked<S: Read + Write>(
    mut stream: S,
    name: Named<'_>,
    to: &str,
    question: &Question<'_>,
    begun: Instant,
    limit: Duration,
) -> Result<Answer, InquiryError> {
    let Some((trust, name)) = name else {
        return exchange(&mut stream, to, question, begun, limit);
    };
    let mut stream = trust.secure(stream, name).map_err(|source| {
        let to = to.to_owned();
        if is_late(&source) {
            InquiryError::Slow { to, limit }
        } else {
            InquiryError::Tls { to, source }
        }
    })?;
    exchange(&mut stream, to, question, begun, limit)
}

fn is_late(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// A host and a port as they stand in a URL.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn exchange<S: Read + Write + ?Sized>(
    stream: &mut S,
    to: &str,
    question: &Question<'_>,
    begun: Instant,
    limit: Duration,
) -> Result<Answer, InquiryError> {
    let broken = |source: io::Error| {
        let to = to.to_owned();
        if is_late(&source) {
            InquiryError::Slow { to, limit }
        } else {
            InquiryError::Broken { to, source }
        }
    };
    // HTTP/1.0: the answer comes whole, in no chunks, and the connection ends with it.
    let Question {
        method,
        path,
        headers,
    } = question;
    let mut request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {to}\r\nUser-Agent: trustnet-vm\r\nConnection: close\r\n"
    );
    for (name, value) in *headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).map_err(broken)?;
    stream.flush().map_err(broken)?;
    let mut answer = Vec::new();
    let mut piece = [0; 8192];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            // What has come is an answer, also where the other side goes without a word.
            Err(_) if matches!(read(&answer), Some((_, _, None))) => break,
            Err(error) => return Err(broken(error)),
        }
        if answer.len() > MOST {
            return Err(InquiryError::TooLarge);
        }
        if begun.elapsed() > limit {
            let to = to.to_owned();
            return Err(InquiryError::Slow { to, limit });
        }
        if is_whole(&answer) {
            break;
        }
    }
    let (status, body, _) = read(&answer).ok_or(InquiryError::NotHttp)?;
    Ok(Answer {
        status,
        body: answer[body..].to_vec(),
        took: begun.elapsed(),
    })
}

/// The status, where the body begins, and how long it is said to be.
fn read(answer: &[u8]) -> Option<(u16, usize, Option<usize>)> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(body)) = response.parse(answer) else {
        return None;
    };
    let status = response.code?;
    let mut lengths = response.headers.iter();
    let length = lengths.find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length =
        length.and_then(|header| std::str::from_utf8(header.value).ok()?.trim().parse().ok());
    Some((status, body, length))
}

/// Whether all is there that was said to come: who asks over SSH need not wait for the end of the connection.
fn is_whole(answer: &[u8]) -> bool {
    matches!(read(answer), Some((_, body, Some(length))) if answer.len() - body >= length)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    use super::{InquiryError, Question, at};

    const MINUTE: Duration = Duration::from_secs(60);

    /// A server that says this to the first who asks, and then holds the connection until that one is gone.
    fn server(says: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody");
            let mut asked = Vec::new();
            let mut byte = [0];
            while !asked.ends_with(b"\r\n\r\n")
                && stream.read(&mut byte).is_ok_and(|count| count > 0)
            {
                asked.push(byte[0]);
            }
            let _ = stream.write_all(says.as_bytes());
            let _ = stream.read(&mut byte);
        });
        address
    }

    #[test]
    fn an_answer_is_whole_once_its_length_is_there() {
        let address = server("HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\nno");
        let answer = at(address, None, &Question::get("/api/health"), MINUTE).expect("an answer");
        assert_eq!((answer.status, answer.body.as_slice()), (503, &b"no"[..]));
    }

    #[test]
    fn what_speaks_something_else_or_nothing_is_no_answer() {
        let other = at(
            server("220 mail\r\n\r\n"),
            None,
            &Question::get("/"),
            Duration::from_millis(300),
        );
        assert!(matches!(
            other,
            Err(InquiryError::NotHttp | InquiryError::Slow { .. })
        ));
        let silent = at(
            server(""),
            None,
            &Question::get("/"),
            Duration::from_millis(300),
        );
        assert!(
            matches!(silent, Err(InquiryError::Slow { .. })),
            "{silent:?}"
        );
        let listener = TcpListener::bind("[::1]:0").expect("a port");
        let gone = listener.local_addr().expect("an address");
        drop(listener);
        let gone = at(gone, None, &Question::get("/"), MINUTE);
        assert!(
            matches!(gone, Err(InquiryError::Unreachable { .. })),
            "{gone:?}"
        );
    }
}
