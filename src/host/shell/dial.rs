//! Ports inside the guest.

use std::io::{self, Read, Write};
use std::time::Duration;

use ssh2::Channel;

use super::ShellError;
use super::link::{Limit, Link, code, number};
use super::stream;

/// A TCP connection from inside the guest.
pub struct Dialled<'a> {
    link: &'a mut Link,
    channel: Channel,
    limit: Duration,
}

/// Opens one.
pub fn dial<'a>(
    link: &'a mut Link,
    host: &str,
    port: u16,
    limit: Duration,
) -> Result<Dialled<'a>, ShellError> {
    let mut closed = None;
    let opened = stream::open(link, &Limit::whole(limit), |session| {
        session
            .channel_direct_tcpip(host, port, None)
            .inspect_err(|error| {
                if number(error) == code::CHANNEL_FAILURE {
                    closed = Some(error.message().to_owned());
                }
            })
    });
    match (opened, closed) {
        (Ok(channel), _) => Ok(Dialled {
            link,
            channel,
            limit,
        }),
        (Err(_), Some(why)) => Err(ShellError::Closed {
            to: format!("{host}:{port}"),
            why,
        }),
        (Err(error), None) => Err(error),
    }
}

impl Dialled<'_> {
    fn until(
        &mut self,
        doing: &str,
        mut step: impl FnMut(&mut Channel) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let limit = Limit::whole(self.limit);
        loop {
            let error = match step(&mut self.channel) {
                Ok(count) => return Ok(count),
                Err(error) => error,
            };
            if let Some(error) = self.link.stream_error(doing, &error) {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
            }
            self.link
                .wait(&limit, doing)
                .map_err(|error| io::Error::new(io::ErrorKind::TimedOut, error))?;
        }
    }
}

impl Read for Dialled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.until("read from a port", |channel| channel.read(buffer))
    }
}

impl Write for Dialled<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.until("write to a port", |channel| channel.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Dialled<'_> {
    fn drop(&mut self) {
        // It is not waited for.
        let _ = self.channel.close();
    }
}
