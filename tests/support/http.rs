//! A raw HTTP client: it sends what it is told, and reads what comes.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// The first header of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Reads a whole answer.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        });
        let mut answer = Self {
            status,
            headers: headers.collect(),
            body: String::new(),
        };
        let body = &bytes[end + 4..];
        let body = match answer.header("transfer-encoding") {
            Some("chunked") => unchunk(body)?,
            _ => body.to_vec(),
        };
        answer.body = String::from_utf8(body).ok()?;
        Some(answer)
    }
}

/// The bytes of all chunks; `None` if the last is missing.
fn unchunk(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|it| it == b"\r\n")?;
        let size = std::str::from_utf8(&rest[..end]).ok()?;
        let size = usize::from_str_radix(size, 16).ok()?;
        rest = &rest[end + 2..];
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size + 2..)?;
    }
}

/// Connects to `host:port`.
pub fn connect(address: &str) -> TcpStream {
    let socket = TcpStream::connect(address).expect("somebody listens");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a time-out can be set");
    socket
}

/// Sends bytes, and reads until the peer closes; all that came.
pub fn exchange(address: &str, request: &[u8]) -> Vec<u8> {
    let mut socket = connect(address);
    // The peer may have closed already: what it said before is what counts.
    let _ = socket.write_all(request);
    read_all(&mut socket)
}

/// Reads until the peer closes.
pub fn read_all(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    // A reset is an end as well.
    let _ = socket.read_to_end(&mut bytes);
    bytes
}

/// Asks for a path with these headers besides.
pub fn get_with(address: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = format!("GET {path} HTTP/1.1\r\nConnection: close\r\n");
    if headers.iter().all(|(name, _)| *name != "Host") {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let bytes = exchange(address, request.as_bytes());
    Answer::parse(&bytes).unwrap_or_else(|| {
        let start = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        panic!(
            "{path} has no whole answer, but {} bytes: {start}",
            bytes.len()
        )
    })
}

/// Asks for a path.
pub fn get(address: &str, path: &str) -> Answer {
    get_with(address, path, &[])
}

/// A text as a part of a query.
pub fn query_part(text: &str) -> String {
    let bytes = text.bytes();
    bytes.map(|byte| format!("%{byte:02x}")).collect()
}
