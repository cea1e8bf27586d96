//! Answers to other replicas: each request waits under a token until the state machine answers it. What
//! an answer brings of the log or of a snapshot is read here, by the quorum's own thread.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::driver::{Command, RaftError, Shared};
use super::effect::{Input, RequestToken};
use super::event::RaftEvent;
use super::log_state::OffsetAndEpoch;
use super::loop_driver::RaftThread;
use super::message::{FetchSnapshotRequest, Refusal, Request, Response, ResponseBody};
use super::snapshot::Snapshot;
use super::snapshot_driver::{SnapshotFileError, SnapshotWriter};
use crate::model::Offset;

/// An answer to another replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// What the state machine says.
    pub response: Response,
    /// The records of the log or the bytes of a snapshot that go with it.
    pub records: Bytes,
}

/// The requests of others that are not answered yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    last_token: u64,
    replies: BTreeMap<RequestToken, oneshot::Sender<Served>>,
}

impl Waiting {
    /// Takes a request in, and makes an input of it.
    pub(super) fn enter(&mut self, request: Request, reply: oneshot::Sender<Served>) -> Input {
        self.last_token += 1;
        let token = RequestToken(self.last_token);
        self.replies.insert(token, reply);
        Input::Requested { token, request }
    }

    pub(super) fn answer(&mut self, token: RequestToken, response: Response, records: Bytes) {
        if let Some(reply) = self.replies.remove(&token) {
            // Nobody waits any more if the connection is gone.
            let _ = reply.send(Served { response, records });
        }
    }

    /// Gives all up that the state machine has forgotten.
    pub(super) fn give_up(&mut self) {
        self.replies.clear();
    }
}

/// A snapshot that is being fetched.
#[derive(Debug, Default)]
pub(super) struct FetchedSnapshot(Option<(OffsetAndEpoch, SnapshotWriter)>);

impl RaftThread {
    pub(super) fn reply_with_log(
        &mut self,
        token: RequestToken,
        from: Offset,
        max_bytes: u32,
        response: Response,
    ) -> Result<(), RaftError> {
        let records = self.log.read_for_replica(from, max_bytes)?;
        self.waiting.answer(token, response, records);
        Ok(())
    }

    pub(super) fn reply_with_snapshot(
        &mut self,
        token: RequestToken,
        asked: &FetchSnapshotRequest,
        mut response: Response,
    ) -> Result<(), RaftError> {
        let snapshots = &self.shared.snapshots;
        // The bootstrap snapshot is no part of the log's history.
        let part = if asked.id == OffsetAndEpoch::BOOTSTRAP {
            None
        } else {
            snapshots.read_part(asked.id, asked.position, asked.max_bytes)?
        };
        let records = match (part, &mut response.body) {
            (None, _) => {
                response.refusal = Some(Refusal::SnapshotNotFound);
                Bytes::new()
            }
            (Some(part), _) if asked.position >= part.size => {
                response.refusal = Some(Refusal::PositionOutOfRange);
                Bytes::new()
            }
            (Some(part), ResponseBody::FetchSnapshot(chunk)) => {
                chunk.size = part.size;
                part.bytes
            }
            (Some(_), _) => Bytes::new(),
        };
        self.waiting.answer(token, response, records);
        Ok(())
    }

    /// Adds to the snapshot that is being fetched. After the last bytes it is checked, because nobody
    /// else has checked it; a damaged one is dropped, and fetched again.
    pub(super) fn store_snapshot(
        &mut self,
        id: OffsetAndEpoch,
        position: u64,
        bytes: &Bytes,
        is_last: bool,
    ) -> Result<Option<Input>, RaftError> {
        let under_way = self.fetched.0.take();
        let mut writer = match under_way {
            Some((of, writer)) if of == id && writer.size() == position => writer,
            _ if position == 0 => self.shared.snapshots.begin(id)?,
            _ => return Ok(None),
        };
        writer.append(bytes)?;
        if !is_last {
            self.fetched.0 = Some((id, writer));
            return Ok(None);
        }
        writer.finish()?;
        match self.shared.snapshots.read(id) {
            Ok(_) => Ok(Some(Input::SnapshotStored(id))),
            Err(error @ SnapshotFileError::Damaged { .. }) => {
                tracing::error!(%error, "the leader of the metadata quorum sent a damaged snapshot");
                self.shared.snapshots.delete(id)?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Lets the log go on from a snapshot that was fetched, and hands that to the state machine.
    pub(super) fn restart_at_snapshot(&mut self, id: OffsetAndEpoch) -> Result<(), RaftError> {
        // Before the log is emptied: it may not be readable.
        let snapshot = self.shared.snapshots.read(id)?;
        let now = self.wall();
        self.log.restart_at(id.offset, now)?;
        self.hand_over(id, snapshot)
    }

    /// Hands the state machine the snapshot that the log goes on from, if it was not given that: the disk
    /// became full after the log was emptied for it.
    pub(super) fn load_if_missed(&mut self, id: OffsetAndEpoch) -> Result<(), RaftError> {
        if self.delivery.next_offset() >= self.log.start_offset() {
            return Ok(());
        }
        let snapshot = self.shared.snapshots.read(id)?;
        self.hand_over(id, snapshot)
    }

    fn hand_over(&mut self, id: OffsetAndEpoch, snapshot: Snapshot) -> Result<(), RaftError> {
        for other in std::mem::take(&mut self.snapshots) {
            if other.id != id {
                self.shared.snapshots.delete(other.id)?;
            }
        }
        self.learn_snapshot(id)?;
        self.delivery.restart(id.offset);
        self.listener.on_event(RaftEvent::LoadSnapshot {
            id,
            last_contained_log_timestamp: snapshot.last_contained_log_timestamp,
            batches: snapshot.batches,
        });
        Ok(())
    }
}

/// Asks the quorum's thread for another replica. If it has stopped, or has given the request up, others are
/// told that it stops.
pub(super) async fn ask(shared: &Arc<Shared>, request: Request) -> Served {
    let (reply, answer) = oneshot::channel();
    shared.command(Command::Requested { request, reply });
    answer.await.unwrap_or_else(|_| Served {
        response: Response {
            refusal: Some(Refusal::Stopping),
            epoch: shared.info.load().epoch,
            leader: None,
            body: ResponseBody::EndQuorumEpoch,
        },
        records: Bytes::new(),
    })
}
