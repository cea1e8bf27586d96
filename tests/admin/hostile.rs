//! Peers that mean harm, or nothing: they cost little, and keep nobody else out.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::start;
use crate::support::http::{Answer, connect, exchange, get, read_all};
use crate::support::process::memory;
use crate::traffic::Traffic;

/// How long a place in front of others may be held, with room for a busy machine.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn a_head_that_drips_in_is_cut() {
    let (_broker, admin) = start(&[]);
    let mut socket = connect(&admin);
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .expect("a time-out can be set");
    let begun = Instant::now();
    socket
        .write_all(b"GET /livez HTTP/1.1\r\n")
        .expect("it listens");

    // Each look gives it another byte.
    let mut byte = [0];
    let is_cut = |socket: &mut TcpStream, byte: &mut [u8]| {
        let is_written = socket.write_all(b"x").is_ok();
        match socket.read(byte) {
            Ok(0) => true,
            Ok(_) => panic!("half a request was answered"),
            Err(error) => !is_written || error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    };
    while !is_cut(&mut socket, &mut byte) {
        assert!(begun.elapsed() < SOON, "it is still open");
    }
    assert!(begun.elapsed() > Duration::from_secs(2), "it had some time");
}

#[test]
fn headers_without_end_are_cut_and_cost_no_memory() {
    let (broker, admin) = start(&[]);
    let before = memory(broker.pid(), "VmRSS");
    let line = format!("X: {}\r\n", "y".repeat(1_000));

    for _ in 0..20 {
        let mut socket = connect(&admin);
        let _ = socket.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n");
        for _ in 0..1_000 {
            if socket.write_all(line.as_bytes()).is_err() {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&read_all(&mut socket)).into_owned();
        assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    let grown = memory(broker.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 10 << 20, "{grown} bytes");
    assert_eq!(get(&admin, "/livez").status, 200);
}

#[test]
fn idle_connections_by_the_hundred_keep_no_scraper_out() {
    let (broker, admin) = start(&[]);
    let idle: Vec<TcpStream> = (0..500).map(|_| connect(&admin)).collect();
    let begun: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut socket = connect(&admin);
            // Some are cut for those behind them.
            let _ = socket.write_all(b"GET /metrics HTTP/1.1\r\nHost: local");
            socket
        })
        .collect();

    for path in ["/livez", "/readyz", "/metrics", "/metrics/detailed"] {
        let asked = Instant::now();
        assert_eq!(get(&admin, path).status, 200, "{path}");
        assert!(asked.elapsed() < SOON, "{path}");
    }
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", broker.pid()));
    let descriptors = descriptors.expect("it runs").count();
    assert!(descriptors < 150, "{descriptors} descriptors");
    drop((idle, begun));
}

#[test]
fn readers_that_stop_reading_lose_their_place() {
    let (broker, admin) = start(&[("num.partitions", "1")]);
    let mut traffic = Traffic::new(&broker);
    // So that the answer is longer than what sockets hold.
    traffic.create("t", 4_000);
    // The answer to a client may come before a slow disk has all of them.
    let begun = Instant::now();
    while get(&admin, "/metrics/detailed").body.len() < 4 << 20 {
        assert!(begun.elapsed() < SOON, "the partitions do not come");
    }
    let before = memory(broker.pid(), "VmRSS");
    let stuck: Vec<TcpStream> = (0..12)
        .map(|_| {
            let mut socket = connect(&admin);
            let request = b"GET /metrics/detailed HTTP/1.1\r\nHost: localhost\r\n\r\n";
            socket.write_all(request).expect("it listens");
            socket
        })
        .collect();

    let asked = Instant::now();
    let mut answer = get(&admin, "/metrics/detailed");
    while answer.status == 503 {
        assert!(asked.elapsed() < SOON, "{}", answer.body);
        answer = get(&admin, "/metrics/detailed");
    }

    assert_eq!(answer.status, 200);
    assert!(asked.elapsed() < SOON);
    assert_eq!(get(&admin, "/livez").status, 200);
    let grown = memory(broker.pid(), "VmRSS").saturating_sub(before);
    assert!(
        grown < 64 << 20,
        "{grown} bytes for {} readers",
        stuck.len()
    );
    // Clients were served all the time.
    traffic.produce("t", 1);
}

#[test]
fn a_client_that_closes_its_end_gets_its_answer() {
    let (_broker, admin) = start(&[]);
    let mut socket = connect(&admin);
    let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    socket.write_all(request).expect("it listens");
    socket.shutdown(Shutdown::Write).expect("it is open");

    let answer = Answer::parse(&read_all(&mut socket)).expect("a whole answer");

    assert_eq!(answer.status, 200);
}

#[test]
fn one_connection_may_ask_many_times() {
    let (_broker, admin) = start(&[]);
    let once = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let last = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

    let answers = exchange(&admin, (once.repeat(50) + last).as_bytes());

    let answers = String::from_utf8(answers).expect("text");
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 51, "{answers}");
}

#[test]
fn what_is_no_http_is_closed_and_a_body_is_not_read() {
    let (broker, admin) = start(&[]);
    let long_body =
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n";
    let before = memory(broker.pid(), "VmRSS");
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        &[0; 64],
        &[0xff; 4096],
        b"\x00\x00\x00\x10\x00\x12\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00",
        b"GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n",
        b"GET /metrics HTTP/9.9\r\n\r\n",
    ] {
        let mut socket = connect(&admin);
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(Shutdown::Write);
        let answer = String::from_utf8_lossy(&read_all(&mut socket)).into_owned();
        assert!(!answer.contains("kafka_brokers"), "{bytes:?}: {answer}");
    }
    let mut socket = connect(&admin);
    let _ = socket.write_all(long_body.as_bytes());
    let junk = vec![b'x'; 1 << 20];
    for _ in 0..64 {
        if socket.write_all(&junk).is_err() {
            break;
        }
    }
    let grown = memory(broker.pid(), "VmRSS").saturating_sub(before);
    assert!(grown < 10 << 20, "{grown} bytes");
    assert_eq!(get(&admin, "/livez").status, 200);
}
