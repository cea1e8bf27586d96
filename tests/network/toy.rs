//! A request handler that does what the request's version field says, and notes what it did.

use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use broker::config::{Endpoint, SecurityProtocol};
use broker::network::{
    CloseReason, Connection, ConnectionLimits, ConnectionOptions, Handling, Listener,
    ListenerOptions, Network, Outcome, RequestFrame, RequestHandler, RequestMemory,
    RunningListener, Treatment,
};
use broker::protocol::payload::{LentFile, SharedFile};
use broker::protocol::{FileRegion, FramePiece, ResponseFrame};
use broker::telemetry::Metrics;
use bytes::{BufMut, Bytes, BytesMut};
use tokio::sync::watch;

/// What a request asks of the toy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum Mode {
    /// Answers with the body at once.
    Echo,
    /// Answers with the body once released; nothing else may be started before.
    Later,
    /// Answers with the body once released; others may overlap.
    Pipelined,
    Panic,
    NoAnswer,
    Close,
    /// Answers with a region of the toy's file: position u64, length u32.
    File,
    /// Answers with so many bytes: length u32.
    Big,
    /// Answers at once, and mutes the connection for so many milliseconds: u32.
    Mute,
    /// Keeps the request, with its memory, until released.
    Hold,
    /// Answers with so many bytes (length u32) when it is its turn and there is memory for them.
    Heavy,
}

/// What happened to the request with this correlation id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    Started(i32),
    Finished(i32),
    Dropped(i32),
}

pub struct Toy {
    pub events: watch::Sender<Vec<Event>>,
    released: watch::Sender<HashSet<i32>>,
    file: Option<Arc<dyn SharedFile>>,
    /// Bytes of big and heavy answers made so far.
    pub made: AtomicUsize,
    /// One heavy answer is made at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Toy {
    pub fn new(file: Option<Arc<dyn SharedFile>>) -> Arc<Self> {
        Arc::new(Self {
            events: watch::Sender::default(),
            released: watch::Sender::default(),
            file,
            made: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
        })
    }

    pub fn release(&self, ids: impl IntoIterator<Item = i32>) {
        self.released.send_modify(|released| released.extend(ids));
    }

    pub async fn until(&self, event: Event) {
        let mut events = self.events.subscribe();
        let seen = events.wait_for(|events| events.contains(&event));
        within(seen).await.unwrap();
    }

    pub fn started(&self) -> Vec<i32> {
        let started = |event: &Event| match event {
            Event::Started(id) => Some(*id),
            _ => None,
        };
        self.events.borrow().iter().filter_map(started).collect()
    }

    fn note(&self, event: Event) {
        self.events.send_modify(|events| events.push(event));
    }

    async fn finish(self: Arc<Self>, id: i32, frame: RequestFrame) -> Outcome {
        let mut guard = DropNote {
            toy: Arc::clone(&self),
            id,
            armed: true,
        };
        let body = frame.bytes.slice(8..);
        let held = (mode_of(&frame.bytes) == Mode::Hold).then_some(frame);
        let mut released = self.released.subscribe();
        released
            .wait_for(|released| released.contains(&id))
            .await
            .unwrap();
        drop(held);
        guard.armed = false;
        self.note(Event::Finished(id));
        Outcome::Answer(answer(id, FramePiece::Bytes(body)))
    }

    async fn make_heavy(self: Arc<Self>, id: i32, mut frame: RequestFrame) -> Outcome {
        let length = u32::from_be_bytes(frame.bytes[8..12].try_into().unwrap());
        let _turn = self.turn.lock().await;
        frame.charge.grow(length.into()).await;
        self.made.fetch_add(length as usize, Ordering::SeqCst);
        let made = vec![7; length as usize];
        Outcome::Answer(answer(id, FramePiece::Bytes(made.into())))
    }
}

struct DropNote {
    toy: Arc<Toy>,
    id: i32,
    armed: bool,
}

impl Drop for DropNote {
    fn drop(&mut self) {
        if self.armed {
            self.toy.note(Event::Dropped(self.id));
        }
    }
}

pub struct Handler(pub Arc<Toy>);

impl RequestHandler for Handler {
    fn treatment(&self, api_key: i16) -> Treatment {
        Treatment {
            overlaps: matches!(api_key, 0 | 8),
            carries_records: api_key == 0,
        }
    }

    fn handle(&self, connection: &Arc<Connection>, frame: RequestFrame) -> Handling {
        let toy = &self.0;
        let bytes = frame.bytes.clone();
        let id = i32::from_be_bytes(bytes[4..8].try_into().unwrap());
        let argument = || u32::from_be_bytes(bytes[8..12].try_into().unwrap());
        toy.note(Event::Started(id));
        match mode_of(&bytes) {
            Mode::Echo => Handling::Answer(answer(id, FramePiece::Bytes(bytes.slice(8..)))),
            Mode::Later | Mode::Hold => {
                Handling::Later(Box::pin(Arc::clone(toy).finish(id, frame)))
            }
            Mode::Pipelined => Handling::Pipelined(Box::pin(Arc::clone(toy).finish(id, frame))),
            Mode::Panic => panic!("the toy was told to"),
            Mode::NoAnswer => Handling::NoAnswer,
            Mode::Close => Handling::Close(CloseReason::refused("the toy was told to")),
            Mode::File => {
                let region = FileRegion {
                    file: LentFile::new(Arc::clone(toy.file.as_ref().unwrap())),
                    position: u64::from_be_bytes(bytes[8..16].try_into().unwrap()),
                    length: u32::from_be_bytes(bytes[16..20].try_into().unwrap()),
                };
                Handling::Answer(answer(id, FramePiece::File(region)))
            }
            Mode::Big => {
                let length = argument() as usize;
                toy.made.fetch_add(length, Ordering::SeqCst);
                Handling::Answer(answer(id, FramePiece::Bytes(vec![7; length].into())))
            }
            Mode::Heavy => Handling::Later(Box::pin(Arc::clone(toy).make_heavy(id, frame))),
            Mode::Mute => {
                connection.mute_for(Duration::from_millis(argument().into()));
                Handling::Answer(answer(id, FramePiece::Bytes(Bytes::new())))
            }
        }
    }
}

fn mode_of(bytes: &[u8]) -> Mode {
    const MODES: [Mode; 11] = [
        Mode::Echo,
        Mode::Later,
        Mode::Pipelined,
        Mode::Panic,
        Mode::NoAnswer,
        Mode::Close,
        Mode::File,
        Mode::Big,
        Mode::Mute,
        Mode::Hold,
        Mode::Heavy,
    ];
    MODES[usize::from(bytes[3])]
}

fn answer(id: i32, payload: FramePiece) -> ResponseFrame {
    let mut head = BytesMut::new();
    head.put_u32((4 + payload.len()) as u32);
    head.put_i32(id);
    let len = head.len() + payload.len();
    ResponseFrame {
        pieces: vec![FramePiece::Bytes(head.freeze()), payload],
        len,
    }
}

/// A network with one listener on a free port.
pub struct World {
    pub toy: Arc<Toy>,
    pub network: Arc<Network>,
    pub metrics: Arc<Metrics>,
    pub listener: RunningListener,
}

#[derive(Default)]
pub struct Setup {
    pub options: ConnectionOptions,
    pub limits: ConnectionLimits,
    pub memory: Option<u64>,
    pub file: Option<Arc<dyn SharedFile>>,
    pub host: Option<String>,
}

impl Setup {
    pub async fn start(self) -> World {
        let toy = Toy::new(self.file);
        let handler = Arc::new(Handler(Arc::clone(&toy)));
        let memory = RequestMemory::new(self.memory);
        let metrics = Arc::new(Metrics::new([]));
        let network = Network::new(
            handler,
            self.options.clone(),
            memory,
            self.limits,
            Arc::clone(&metrics),
        );
        let host = self.host.unwrap_or_else(|| "127.0.0.1".to_owned());
        let options = ListenerOptions::new(endpoint(&host, 0));
        let listener = Listener::bind(options, &self.options).await.unwrap();
        World {
            toy,
            listener: listener.serve(Arc::clone(&network)),
            network,
            metrics,
        }
    }
}

pub fn endpoint(host: &str, port: u16) -> Endpoint {
    Endpoint {
        listener: "PLAINTEXT".to_owned(),
        protocol: SecurityProtocol::Plaintext,
        host: host.to_owned(),
        port,
    }
}

/// A test that waits for ever fails instead.
pub async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future)
        .await
        .expect("within 20 seconds")
}
