//! A server of files on loopback that does nothing but send them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result};

/// Serves one file, whatever is asked for, until this process ends.
pub fn serve(file: &Path) -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("failed to listen on loopback")?;
    let address = listener.local_addr().context("failed to listen")?;
    let file = file.to_owned();
    thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            // Whoever asks says that nothing came.
            let _ = answer(stream, &file);
        }
    });
    Ok(address)
}

fn answer(mut stream: TcpStream, file: &PathBuf) -> io::Result<()> {
    let asked = BufReader::new(stream.try_clone()?);
    for line in asked.lines() {
        if line?.is_empty() {
            break;
        }
    }
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )?;
    // The kernel sends it by itself.
    io::copy(&mut file, &mut stream).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    #[test]
    fn a_file_is_sent_with_its_length() {
        let file = std::env::temp_dir().join(format!("trustnet-served-{}", std::process::id()));
        std::fs::write(&file, b"an image").expect("a file");
        let address = super::serve(&file).expect("a server");
        let mut stream = TcpStream::connect(address).expect("a connection");
        write!(stream, "GET / HTTP/1.1\r\nHost: here\r\n\r\n").expect("asked");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        std::fs::remove_file(&file).expect("a file");
        assert!(said.starts_with("HTTP/1.1 200 OK\r\n"), "{said}");
        assert!(
            said.ends_with("Content-Length: 8\r\nConnection: close\r\n\r\nan image"),
            "{said}"
        );
    }
}
