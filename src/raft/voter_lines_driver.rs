//! Connections to the other voters, one for each, with a task of its own.
//!
//! A connection stays open from request to request. If it breaks before an answer, the request is sent
//! once more over a new one, as all requests of the quorum may be repeated. Only when that new connection
//! is refused is the voter's process gone for sure: a connection that ended may have been ended by a
//! machine in between. A newer request gives up the one before together with its connection, whose answer
//! would be in the way.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::effect::Absence;
use super::message::{Request, Response};
use super::node::FETCH_MAX_BYTES;
use super::peers_driver::{AnswerSlot, Peers};
use super::strangers::Strangers;
use super::voters::Voter;
use super::wire::{Answer, AnswerFault, Outgoing, QuorumAddresses};
use crate::model::BrokerId;
use crate::network::{Client, ClientError, ClientOptions};
use crate::protocol::{ApiKey, Request as WireRequest, Str};
use crate::telemetry::LogGate;

/// What an answer may be larger than the records in it: a batch is sent whole, whatever its size.
const ANSWER_MARGIN: u32 = 24 * 1024 * 1024;

/// The other voters, each at the end of a line.
pub struct VoterLines {
    lines: BTreeMap<BrokerId, mpsc::UnboundedSender<Call>>,
}

/// Called with the reason when this node will never be part of the quorum.
type OnStranger = Arc<dyn Fn(String) + Send + Sync>;

/// A request, and where its answer goes.
struct Call {
    request: Request,
    slot: AnswerSlot,
}

/// The end of a line to one voter.
struct Line {
    voter: Voter,
    address: String,
    addresses: Arc<QuorumAddresses>,
    options: ClientOptions,
    client: Option<Client>,
    /// Whether the voter answered last; the log tells of changes, and now and then of a voter that is silent.
    was_heard: Option<bool>,
    absent: LogGate,
    /// Which voters are of another cluster, as all lines know it.
    strangers: Arc<Mutex<Strangers>>,
    on_stranger: OnStranger,
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
enum CallError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("it does not serve {0:?} in any version that this node speaks")]
    NotServed(ApiKey),
    #[error(transparent)]
    Answer(#[from] AnswerFault),
}

/// How often, and after which pause, a voter is tried again whose process is dying.
const CLOSING_TRIES: usize = 10;
const CLOSING_PAUSE: Duration = Duration::from_millis(10);

impl VoterLines {
    /// Lines to all voters but `local`; nothing is connected before the first request. Tasks run on
    /// `runtime`, and end when this is dropped. `on_stranger` is called with the reason when so many voters
    /// are of another cluster that this node cannot go on.
    pub fn new(
        runtime: &tokio::runtime::Handle,
        addresses: &Arc<QuorumAddresses>,
        local: BrokerId,
        request_timeout: Duration,
        on_stranger: &OnStranger,
    ) -> Self {
        let strangers = Arc::new(Mutex::new(Strangers::default()));
        let others = addresses.voters.iter().filter(|voter| voter.id != local);
        let lines = others.map(|voter| {
            let (sender, calls) = mpsc::unbounded_channel();
            let line = Line {
                voter: voter.clone(),
                address: voter.address(),
                addresses: Arc::clone(addresses),
                options: ClientOptions {
                    client_id: Some(Str::copy_from(&format!("raft-client-{local}"))),
                    connect_timeout: request_timeout,
                    request_timeout,
                    answer_max_bytes: FETCH_MAX_BYTES + ANSWER_MARGIN,
                },
                client: None,
                was_heard: None,
                absent: LogGate::default(),
                strangers: Arc::clone(&strangers),
                on_stranger: Arc::clone(on_stranger),
            };
            runtime.spawn(line.run(calls));
            (voter.id, sender)
        });
        Self {
            lines: lines.collect(),
        }
    }
}

impl Peers for VoterLines {
    fn ask(&mut self, to: BrokerId, request: Request, slot: AnswerSlot) {
        if let Some(line) = self.lines.get(&to) {
            // The task ends only with its runtime; the slot tells of silence then.
            let _ = line.send(Call { request, slot });
        }
    }
}

impl Line {
    async fn run(mut self, mut calls: mpsc::UnboundedReceiver<Call>) {
        let mut next = calls.recv().await;
        while let Some(Call { request, slot }) = next.take() {
            tokio::select! {
                biased;
                newer = calls.recv() => {
                    self.client = None;
                    next = newer;
                }
                outcome = self.exchange(&request) => {
                    match outcome {
                        Ok(response) => slot.answered(response),
                        Err(absence) => slot.unreachable(absence),
                    }
                    next = calls.recv().await;
                }
            }
        }
    }

    async fn exchange(&mut self, request: &Request) -> Result<Response, Absence> {
        let mut outcome = self.attempt(request).await;
        if matches!(outcome, Err(CallError::Client(ClientError::Closed(_)))) {
            outcome = self.attempt(request).await;
        }
        for _ in 0..CLOSING_TRIES {
            if !is_closing(&outcome) {
                break;
            }
            tokio::time::sleep(CLOSING_PAUSE).await;
            outcome = self.attempt(request).await;
        }
        self.look_for_strangers(&outcome);
        match outcome {
            Ok(response) => {
                self.note(true, || "reachable".to_owned());
                Ok(response)
            }
            Err(error) => {
                self.note(false, || error.to_string());
                Err(absence_of(&error))
            }
        }
    }

    /// Takes notice if the voter says that it is of another cluster, or that it is not.
    fn look_for_strangers(&self, outcome: &Result<Response, CallError>) {
        let is_stranger = match outcome {
            Ok(_) => false,
            Err(CallError::Answer(AnswerFault::OtherCluster)) => true,
            Err(_) => return,
        };
        let (cluster_id, voters) = (&self.addresses.cluster_id, self.addresses.voters.len());
        let mut strangers = self.strangers.lock();
        if let Some(reason) = strangers.note(self.voter.id, is_stranger, cluster_id, voters) {
            (self.on_stranger)(reason);
        }
    }

    async fn attempt(&mut self, request: &Request) -> Result<Response, CallError> {
        let mut client = match self.client.take() {
            Some(client) => client,
            None => self.connect().await?,
        };
        let outgoing = self.addresses.outgoing(self.voter.id, request);
        let response = match &outgoing {
            Outgoing::Vote(request) => call(&mut client, request).await,
            Outgoing::BeginQuorumEpoch(request) => call(&mut client, request).await,
            Outgoing::EndQuorumEpoch(request) => call(&mut client, request).await,
            Outgoing::Fetch(request) => call(&mut client, request).await,
            Outgoing::FetchSnapshot(request) => call(&mut client, request).await,
        };
        // After any other error the connection is of no use.
        if matches!(response, Ok(_) | Err(CallError::Answer(_))) {
            self.client = Some(client);
        }
        response
    }

    async fn connect(&self) -> Result<Client, ClientError> {
        let mut client = Client::connect(&self.address, self.options.clone()).await?;
        client.negotiate_as_broker().await?;
        Ok(client)
    }

    fn note(&mut self, is_heard: bool, what: impl FnOnce() -> String) {
        let is_news = self.was_heard.replace(is_heard) != Some(is_heard);
        let (voter, address) = (self.voter.id, &self.address);
        if is_heard {
            if is_news {
                tracing::info!(%voter, address, "a voter of the metadata quorum answers");
            }
        } else if let Some(suppressed) = self.absent.pass() {
            let reason = what();
            tracing::warn!(
                %voter, address, reason, suppressed,
                "a voter of the metadata quorum does not answer"
            );
        }
    }
}

async fn call<R: WireRequest>(client: &mut Client, request: &R) -> Result<Response, CallError>
where
    R::Response: Answer,
{
    let version = client
        .version_of(R::KEY, &R::KEY.valid_versions())
        .ok_or(CallError::NotServed(R::KEY))?;
    Ok(client.call(request, version).await?.read()?)
}

/// Whether the voter's listener closed a connection that it had not accepted yet: a moment later its host
/// refuses others, or a new process accepts them.
fn is_closing(outcome: &Result<Response, CallError>) -> bool {
    let Err(CallError::Client(ClientError::Connect { source, .. })) = outcome else {
        return false;
    };
    let kinds = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
    ];
    kinds.contains(&source.kind())
}

fn absence_of(error: &CallError) -> Absence {
    match error {
        CallError::Client(ClientError::Connect { source, .. })
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            Absence::Gone
        }
        _ => Absence::Silent,
    }
}
