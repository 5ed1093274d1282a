//! A stream on which what is no HTTP is refused in JSON, too.
//!
//! hyper answers by itself what it cannot read, before any route is asked: a status, and no body. No answer of ours is
//! without one, so those can be told apart as they are written, and are given theirs.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use trustnet_api::network::{ErrorBody, ErrorCode};

/// A stream that gives a body to the answers of hyper's own.
pub struct Worded<S> {
    stream: S,
    /// What is written in place of something else.
    instead: Option<Instead>,
}

struct Instead {
    text: Vec<u8>,
    /// How much of it is written.
    written: usize,
    /// How long that is which it stands for.
    length: usize,
}

impl<S> Worded<S> {
    /// The stream under the service.
    pub fn new(stream: S) -> Self {
        Self {
            stream,
            instead: None,
        }
    }
}

impl<S: AsyncWrite + Unpin> Worded<S> {
    fn poll_instead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let Some(instead) = &mut self.instead else {
            return Poll::Ready(Ok(0));
        };
        while let Some(rest) = instead.text.get(instead.written..)
            && !rest.is_empty()
        {
            let count = ready!(Pin::new(&mut self.stream).poll_write(context, rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            instead.written += count;
        }
        let length = instead.length;
        self.instead = None;
        Poll::Ready(Ok(length))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Worded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Worded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.instead.is_none() {
            self.instead = worded(bytes);
        }
        if self.instead.is_some() {
            return self.poll_instead(context);
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // An answer without a body is one slice.
        match slices {
            [only] => self.poll_write(context, only),
            slices => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
        }
    }
}

/// The statuses of hyper's own answers, and what they mean.
const REFUSALS: [(&[u8], ErrorCode, &str); 3] = [
    (
        b"400",
        ErrorCode::BadRequest,
        "this is no HTTP that can be read",
    ),
    (b"414", ErrorCode::TooLarge, "the URI is too long"),
    (b"431", ErrorCode::TooLarge, "the headers are too large"),
];
/// What a head has that is not followed by a body.
const NO_BODY: &[u8] = b"content-length: 0\r\n";

/// What is written in place of an answer that has no body.
fn worded(head: &[u8]) -> Option<Instead> {
    let status = head
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    let (_, code, message) = REFUSALS.iter().find(|(of, ..)| status.starts_with(of))?;
    let at = head
        .windows(NO_BODY.len())
        .position(|window| window == NO_BODY)?;
    if !head.ends_with(b"\r\n\r\n") {
        return None;
    }
    let body = ErrorBody {
        status: "error".to_owned(),
        code: *code,
        message: (*message).to_owned(),
        field: None,
    };
    let body = serde_json::to_vec(&body).ok()?;
    let fields = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        body.len()
    );
    let (begin, rest) = head.split_at(at);
    let rest = rest.get(NO_BODY.len()..)?;
    Some(Instead {
        text: [begin, fields.as_bytes(), rest, &body].concat(),
        written: 0,
        length: head.len(),
    })
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::Worded;

    /// What comes out at the other side, a few bytes at a time.
    async fn written(bytes: &[u8]) -> String {
        let (ours, mut theirs) = duplex(7);
        let bytes = bytes.to_vec();
        let writing = tokio::spawn(async move {
            let mut stream = Worded::new(ours);
            stream.write_all(&bytes).await.expect("written");
            stream.shutdown().await.expect("at its end");
        });
        let mut text = String::new();
        theirs.read_to_string(&mut text).await.expect("read");
        writing.await.expect("no panic");
        text
    }

    #[tokio::test]
    async fn an_answer_without_a_body_is_given_one() {
        let bare = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let body = r#"{"status":"error","code":"too_large","message":"the headers are too large"}"#;
        let length = body.len();
        assert_eq!(
            written(bare).await,
            format!(
                "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-type: application/json\r\n\
                 content-length: {length}\r\ndate: x\r\n\r\n{body}"
            )
        );
    }

    #[tokio::test]
    async fn every_other_answer_is_left_alone() {
        for text in [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 400 Bad Request\r\n",
            "{\"message\":\"HTTP/1.1 400\"}",
            "",
        ] {
            assert_eq!(written(text.as_bytes()).await, text);
        }
    }
}
