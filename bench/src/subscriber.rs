//! A subscriber for the quick start: takes events over HTTP and hands them on as text.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

/// A body longer than this is not an event that somebody wants to read on a terminal.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// Listens until the program ends.
pub struct Subscriber {
    pub port: u16,
    events: Receiver<String>,
}

impl Subscriber {
    /// Listens on a port that the system chooses.
    ///
    /// # Errors
    /// When there is none.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let (sender, events) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || {
                    // A connection that breaks is the client's to notice.
                    let _ = serve(stream, &sender);
                });
            }
        });
        Ok(Self { port, events })
    }

    /// The next event that arrives within this time.
    pub fn next(&self, within: Duration) -> Option<String> {
        self.events.recv_timeout(within).ok()
    }
}

fn serve(stream: TcpStream, events: &Sender<String>) -> io::Result<()> {
    let mut answers = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::from("Subscriber got\n"), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
            head.push_str("  ");
            head.push_str(line);
            head.push('\n');
        }
        let mut body = Vec::new();
        reader.by_ref().take(length.min(BODY_BYTES_MAX)).read_to_end(&mut body)?;
        head.push_str("  ");
        head.push_str(&String::from_utf8_lossy(&body));
        answers.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        if events.send(head).is_err() {
            return Ok(());
        }
    }
}
