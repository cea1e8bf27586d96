//! A line to one node, for requests of one kind: several are in flight, and their answers come back through one
//! channel for all lines, each with the tag that its request had.
//!
//! A task owns the connection. When it breaks, all that are in flight come back with an error, and the next
//! request makes a new one. The task ends with its [`Line`].

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::client::connection::{AskError, NodeConnection, Sent};
use crate::network::{ClientError, decode_answer};
use crate::protocol::Request;

/// So many requests are in flight on one line, `max.in.flight.requests.per.connection` of Kafka's clients.
pub const IN_FLIGHT: usize = 5;

/// Where a line leads, and how.
#[derive(Clone, Debug)]
pub struct LineOptions {
    /// The node.
    pub node: i32,
    /// Its address, `host:port`.
    pub address: String,
    /// What the node sees in its logs and quotas.
    pub client_id: String,
    /// How long an answer may take.
    pub timeout: Duration,
    /// The versions to choose from.
    pub versions: RangeInclusive<i16>,
}

/// What has become of a request.
pub struct Answered<R: Request, T> {
    /// The node that was asked.
    pub node: i32,
    /// What the request was sent with.
    pub tag: T,
    /// The answer; the default one where the node gives none.
    pub outcome: Result<R::Response, AskError>,
}

/// A request with what belongs to it.
struct Order<R, T> {
    request: R,
    tag: T,
    has_answer: bool,
}

/// A line: requests go in here.
pub struct Line<R, T> {
    orders: mpsc::UnboundedSender<Order<R, T>>,
}

impl<R: Request + Send + Sync + 'static, T: Send + 'static> Line<R, T>
where
    R::Response: Send,
{
    /// Opens a line whose answers come through `answers`. It connects with the first request.
    pub fn open(options: LineOptions, answers: mpsc::UnboundedSender<Answered<R, T>>) -> Self {
        let (orders, waiting) = mpsc::unbounded_channel();
        let worker = Worker {
            options,
            answers,
            connection: None,
            in_flight: VecDeque::new(),
        };
        tokio::spawn(worker.run(waiting));
        Self { orders }
    }

    /// Sends a request, after those before it. Without `has_answer` the node gives none.
    pub fn send(&self, request: R, tag: T, has_answer: bool) {
        let order = Order {
            request,
            tag,
            has_answer,
        };
        // The task ends only when nobody is there to hear answers.
        let _ = self.orders.send(order);
    }
}

/// A request that waits for its answer.
struct InFlight<T> {
    tag: T,
    sent: Sent,
    due: Instant,
}

/// What the task of a line owns.
struct Worker<R: Request, T> {
    options: LineOptions,
    answers: mpsc::UnboundedSender<Answered<R, T>>,
    connection: Option<NodeConnection>,
    in_flight: VecDeque<InFlight<T>>,
}

impl<R: Request, T> Worker<R, T> {
    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order<R, T>>) {
        loop {
            let has_room = self.in_flight.len() < IN_FLIGHT;
            let due = self.in_flight.front().map(|first| first.due);
            tokio::select! {
                order = orders.recv(), if has_room => match order {
                    Some(order) => self.send(order).await,
                    None => return,
                },
                received = receive(&mut self.connection, due), if due.is_some() => {
                    self.settle(received);
                }
            }
            if self.answers.is_closed() {
                return;
            }
        }
    }

    async fn send(&mut self, order: Order<R, T>) {
        let Order {
            request,
            tag,
            has_answer,
        } = order;
        match self.send_now(&request).await {
            Ok(sent) if has_answer => {
                let due = Instant::now() + self.options.timeout;
                self.in_flight.push_back(InFlight { tag, sent, due });
            }
            Ok(_) => self.tell(tag, Ok(R::Response::default())),
            Err(error @ AskError::NotServed(_)) => self.tell(tag, Err(error)),
            Err(error) => {
                self.fail_all();
                self.tell(tag, Err(error));
            }
        }
    }

    async fn send_now(&mut self, request: &R) -> Result<Sent, AskError> {
        let is_broken = self.connection.as_ref().is_none_or(|connection| {
            // With requests in flight bytes may be there to be read.
            self.in_flight.is_empty() && connection.is_closed()
        });
        if is_broken {
            let LineOptions {
                address,
                client_id,
                timeout,
                ..
            } = &self.options;
            self.connection = Some(NodeConnection::open(address, client_id, *timeout).await?);
        }
        let connection = self.connection.as_mut().expect("it was just made");
        connection.send(request, &self.options.versions).await
    }

    /// Gives the first request in flight its answer.
    fn settle(&mut self, received: Result<(i32, Bytes), AskError>) {
        let Some(InFlight { tag, sent, .. }) = self.in_flight.pop_front() else {
            return;
        };
        let outcome = received.and_then(|(received, answer)| {
            let expected = sent.correlation_id;
            if received != expected {
                return Err(ClientError::OutOfStep { expected, received }.into());
            }
            let decoded = decode_answer::<R>(answer, sent.version);
            let failed = |source| ClientError::Decode {
                api: R::KEY,
                source,
            };
            decoded.map_err(|source| failed(source).into())
        });
        let failed = outcome.is_err();
        self.tell(tag, outcome);
        if failed {
            self.fail_all();
        }
    }

    /// The connection is of no use any more: all that are in flight come back.
    fn fail_all(&mut self) {
        self.connection = None;
        while let Some(InFlight { tag, .. }) = self.in_flight.pop_front() {
            let timeout = ClientError::TimedOut(self.options.timeout);
            self.tell(tag, Err(timeout.into()));
        }
    }

    fn tell(&self, tag: T, outcome: Result<R::Response, AskError>) {
        let node = self.options.node;
        // If nobody is there to hear it, the task is about to end.
        let _ = self.answers.send(Answered { node, tag, outcome });
    }
}

/// The next answer, or the error that ends the connection, at the latest when the first request is overdue.
async fn receive(
    connection: &mut Option<NodeConnection>,
    due: Option<Instant>,
) -> Result<(i32, Bytes), AskError> {
    let (Some(connection), Some(due)) = (connection, due) else {
        return std::future::pending().await;
    };
    let left = due.saturating_duration_since(Instant::now());
    match tokio::time::timeout(left, connection.receive()).await {
        Ok(received) => received,
        Err(_) => Err(ClientError::TimedOut(left).into()),
    }
}
