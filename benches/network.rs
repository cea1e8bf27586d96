//! What the network costs, as a ratio to the least that the machine can do: CPU of receiving large
//! requests, of sending records from files, and of small round trips.
//!
//! CPU is that of the broker's threads alone, from the scheduler's own accounts, so that the peer
//! and a busy machine count little. `cargo bench --bench network`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement prints, or fails"
)]

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::config::{Endpoint, SecurityProtocol};
use broker::network::{
    Connection, ConnectionLimits, ConnectionOptions, Handling, Listener, ListenerOptions, Network,
    RequestFrame, RequestHandler, RequestMemory, Treatment,
};
use broker::protocol::{FileRegion, FramePiece, LentFile, ResponseFrame};
use broker::telemetry::Metrics;
use bytes::Bytes;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MIB: usize = 1 << 20;
const GIB: f64 = (1 << 30) as f64;
const FILE_BYTES: usize = 64 * MIB;
/// Threads of the side that is measured have names that begin so.
const SERVER: &str = "server";

fn main() {
    for size in [MIB + 200, 128 << 10, 17_000] {
        receive(size);
    }
    for size in [MIB, 128 << 10, 32 << 10, 16 << 10, 4 << 10, 1 << 10] {
        send_region(size);
    }
    round_trips(1);
    round_trips(16);
    latency_at_a_fixed_rate();
}

/// Answers from what the request says: nothing, a part of the file, or 40 bytes.
struct NullHandler {
    file: LentFile,
}

impl RequestHandler for NullHandler {
    fn treatment(&self, _: i16) -> Treatment {
        Treatment::default()
    }

    fn handle(&self, _: &Arc<Connection>, frame: RequestFrame) -> Handling {
        let id: [u8; 4] = frame.bytes[4..8].try_into().unwrap();
        match frame.bytes[3] {
            0 => Handling::NoAnswer,
            1 => Handling::Answer(answer(id, FramePiece::Bytes(Bytes::from_static(&[0; 32])))),
            _ => {
                let position = u64::from_be_bytes(frame.bytes[8..16].try_into().unwrap());
                let length = u32::from_be_bytes(frame.bytes[16..20].try_into().unwrap());
                let file = self.file.clone();
                let region = FileRegion {
                    file,
                    position,
                    length,
                };
                Handling::Answer(answer(id, FramePiece::File(region)))
            }
        }
    }
}

fn answer(id: [u8; 4], payload: FramePiece) -> ResponseFrame {
    let mut head = ((4 + payload.len()) as u32).to_be_bytes().to_vec();
    head.extend(id);
    let len = head.len() + payload.len();
    ResponseFrame {
        pieces: vec![FramePiece::Bytes(head.into()), payload],
        len,
    }
}

fn request(mode: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = ((8 + body.len()) as u32).to_be_bytes().to_vec();
    frame.extend([0, 0, 0, mode, 0, 0, 0, 1]);
    frame.extend(body);
    frame
}

fn start_network() -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(SERVER)
        .enable_all()
        .build()
        .unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![1; FILE_BYTES]).unwrap();
    let handler = Arc::new(NullHandler {
        file: LentFile::new(Arc::new(OwnedFd::from(file))),
    });
    let options = ConnectionOptions::default();
    let memory = RequestMemory::new(Some(256 << 20));
    let network = Network::new(
        handler,
        options.clone(),
        memory,
        ConnectionLimits::default(),
        Arc::new(Metrics::new([])),
    );
    let endpoint = Endpoint {
        listener: "PLAINTEXT".to_owned(),
        protocol: SecurityProtocol::Plaintext,
        host: "127.0.0.1".to_owned(),
        port: 0,
    };
    let listener = runtime.block_on(Listener::bind(ListenerOptions::new(endpoint), &options));
    let address = listener.as_ref().unwrap().address();
    runtime.spawn(async move {
        let _running = listener.unwrap().serve(network);
        std::future::pending::<()>().await;
    });
    (runtime, address)
}

/// A thread that does the least: what `serve` does to one accepted connection.
fn start_floor(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let run = move || {
        let stream = listener.accept().unwrap().0;
        stream.set_nodelay(true).unwrap();
        serve(stream);
        // The accounts of a thread vanish with it.
        std::thread::sleep(Duration::from_secs(2));
    };
    std::thread::Builder::new()
        .name(SERVER.to_owned())
        .spawn(run)
        .unwrap();
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Nanoseconds that each of the server's threads has been on a CPU.
fn server_cpu() -> HashMap<OsString, u64> {
    let mut accounts = HashMap::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let task = task.unwrap();
        let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").starts_with(SERVER) {
            let time = read("schedstat")
                .split(' ')
                .next()
                .unwrap()
                .parse()
                .unwrap_or(0);
            accounts.insert(task.file_name(), time);
        }
    }
    accounts
}

/// The least of five runs: the server's CPU seconds for each of `units`.
fn least(units: f64, mut run: impl FnMut()) -> f64 {
    let once = |_| {
        let before = server_cpu();
        run();
        let used = |(thread, after)| after - before.get(&thread).unwrap_or(&0);
        let nanoseconds: u64 = server_cpu().into_iter().map(used).sum();
        nanoseconds as f64 / 1e9 / units
    };
    (0..5).map(once).fold(f64::INFINITY, f64::min)
}

fn receive(size: usize) {
    let total = 1024 * MIB;
    let count = total / size;
    let frame = request(0, &vec![7; size - 12]);
    let question = request(1, &[]);
    let run = |address: SocketAddr| {
        let mut stream = connect(address);
        for _ in 0..count {
            stream.write_all(&frame).unwrap();
        }
        stream.write_all(&question).unwrap();
        stream.read_exact(&mut [0; 40]).unwrap();
    };
    let units = (count * size) as f64 / GIB;

    let (runtime, address) = start_network();
    let ours = least(units, || run(address));
    runtime.shutdown_background();
    let wanted = count * size + question.len();
    let floor = least(units, || {
        run(start_floor(move |mut stream| {
            let mut buffer = vec![0; 256 << 10];
            let mut received = 0;
            while received < wanted {
                received += stream.read(&mut buffer).unwrap();
            }
            stream.write_all(&[0; 40]).unwrap();
        }));
    });
    report("receive", size, ours, floor);
}

fn send_region(size: usize) {
    let count = (1024 * MIB / size).min(100_000);
    let ask = |stream: &mut TcpStream, at: usize| {
        let mut body = (((at * size) % FILE_BYTES) as u64).to_be_bytes().to_vec();
        body.extend((size as u32).to_be_bytes());
        stream.write_all(&request(2, &body)).unwrap();
    };
    let run = |address: SocketAddr| {
        let mut stream = connect(address);
        let mut buffer = vec![0; 8 + size];
        ask(&mut stream, 0);
        for at in 1..=count {
            // One is always on its way.
            ask(&mut stream, at);
            stream.read_exact(&mut buffer).unwrap();
        }
        stream.read_exact(&mut buffer).unwrap();
    };
    let units = (count * size) as f64 / GIB;

    let (runtime, address) = start_network();
    let ours = least(units, || run(address));
    runtime.shutdown_background();
    let copied = least(units, || {
        run(start_floor(move |stream| {
            let mut buffer = vec![0; size.min(128 << 10)];
            send_regions(&stream, count, size, |file, position, left| {
                let step = buffer.len().min(left);
                let read = FileExt::read_at(file, &mut buffer[..step], position).unwrap();
                (&stream).write_all(&buffer[..read]).unwrap();
                read
            });
        }));
    });
    report("send region (floor: pread and send)", size, ours, copied);
    let passed_on = least(units, || {
        run(start_floor(move |stream| {
            send_regions(&stream, count, size, |file, mut position, left| {
                rustix::fs::sendfile(&stream, file, Some(&mut position), left).unwrap()
            });
        }));
    });
    report("send region (floor: sendfile)", size, ours, passed_on);
}

/// Answers `count` requests, each with the next part of a file, by `send(file, position, length)`.
fn send_regions(
    mut stream: &TcpStream,
    count: usize,
    size: usize,
    mut send: impl FnMut(&File, u64, usize) -> usize,
) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&vec![1; FILE_BYTES]).unwrap();
    let mut head = [0; 8];
    head[..4].copy_from_slice(&((size + 4) as u32).to_be_bytes());
    for at in 0..=count {
        stream.read_exact(&mut [0; 24]).unwrap();
        stream.write_all(&head).unwrap();
        let mut sent = 0;
        while sent < size {
            let position = ((at * size) % FILE_BYTES + sent) as u64;
            sent += send(&file, position, size - sent);
        }
    }
}

fn report(what: &str, size: usize, ours: f64, floor: f64) {
    let ratio = ours / floor;
    println!("{what}, {size} bytes: {ours:.3} CPU s/GiB, floor {floor:.3}, ratio {ratio:.2}");
}

fn exchange(stream: &mut TcpStream, question: &[u8]) {
    stream.write_all(question).unwrap();
    stream.read_exact(&mut [0; 40]).unwrap();
}

fn round_trips(connections: usize) {
    let count = 200_000 / connections;
    let question = request(1, &[7; 100]);
    let wall = |address: SocketAddr| {
        let begin = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut stream = connect(address);
                    for _ in 0..count {
                        exchange(&mut stream, &question);
                    }
                });
            }
        });
        (count * connections) as f64 / begin.elapsed().as_secs_f64()
    };

    let (runtime, address) = start_network();
    let mut rate: f64 = 0.0;
    let units = (count * connections) as f64;
    let ours = least(units, || rate = rate.max(wall(address))) * 1e6;
    runtime.shutdown_background();
    println!("round trips on {connections} connections: {rate:.0}/s, {ours:.1} us CPU each");
    if connections == 1 {
        let floor = least(units, || {
            rate = wall(start_floor(move |mut stream| {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).unwrap() > 0 {
                    stream.write_all(&[0; 40]).unwrap();
                }
            }));
        }) * 1e6;
        println!("  floor, a blocking thread: {rate:.0}/s, {floor:.1} us CPU each");
    }
}

fn latency_at_a_fixed_rate() {
    let question = request(1, &[7; 100]);
    let (runtime, address) = start_network();
    let mut stream = connect(address);
    let mut latencies = Vec::new();
    let begin = Instant::now();
    for at in 0..10_000 {
        let due = begin + Duration::from_micros(500) * at;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let sent = Instant::now();
        exchange(&mut stream, &question);
        latencies.push(sent.elapsed());
    }
    runtime.shutdown_background();
    latencies.sort();
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    println!(
        "2,000 round trips a second: median {:?}, p99 {:?}, p99.9 {:?}",
        at(0.5),
        at(0.99),
        at(0.999)
    );
}
