//! What the machine itself costs: the work that no broker can avoid, per GiB, in CPU seconds.

use std::fmt;
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::rival::{CpuSeconds, cpu_of_thread};

const GIB: usize = 1 << 30;
const CHUNK: usize = 1 << 20;

/// CPU seconds per GiB of each piece of unavoidable work.
pub struct Floor {
    receive: CpuSeconds,
    send: CpuSeconds,
    write: CpuSeconds,
    crc: CpuSeconds,
}

impl fmt::Display for Floor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            receive,
            send,
            write,
            crc,
        } = self;
        let produce = receive + write + crc;
        write!(
            formatter,
            "receive {receive:.2}, send {send:.2}, page-cache write {write:.2}, CRC {crc:.2}; \
             produce at least {produce:.2}, consume at least {send:.2}"
        )
    }
}

/// Measures them, one after another.
pub fn measure() -> Floor {
    let (receive, send) = loopback();
    Floor {
        receive,
        send,
        write: page_cache_write(),
        crc: crc(),
    }
}

fn loopback() -> (CpuSeconds, CpuSeconds) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let receiver = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("the sender connects");
        let mut chunk = vec![0; CHUNK];
        let before = cpu_of_thread();
        while socket.read(&mut chunk).expect("the sender closes in order") > 0 {}
        cpu_of_thread() - before
    });
    let mut socket = TcpStream::connect(address).expect("the listener listens");
    let chunk = vec![1; CHUNK];
    let before = cpu_of_thread();
    for _ in 0..GIB / CHUNK {
        socket.write_all(&chunk).expect("the receiver reads");
    }
    let sent = cpu_of_thread() - before;
    drop(socket);
    (receiver.join().expect("the receiver does not panic"), sent)
}

fn page_cache_write() -> CpuSeconds {
    let mut file: File = tempfile::tempfile().expect("a temporary file");
    let chunk = vec![1; CHUNK];
    let before = cpu_of_thread();
    for _ in 0..GIB / CHUNK {
        file.write_all(&chunk).expect("the disk has room");
    }
    let spent = cpu_of_thread() - before;
    file.rewind().expect("files rewind");
    spent
}

fn crc() -> CpuSeconds {
    let chunk = vec![1; CHUNK];
    let before = cpu_of_thread();
    let mut crc = 0;
    for _ in 0..GIB / CHUNK {
        crc = crc32c::crc32c_append(crc, std::hint::black_box(&chunk));
    }
    std::hint::black_box(crc);
    cpu_of_thread() - before
}

/// How the system decides when to send: see the module `main`.
pub fn congestion_control() -> String {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_congestion_control");
    told.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}
