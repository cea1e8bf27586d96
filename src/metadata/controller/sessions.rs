//! The sessions of brokers: when each was last heard from, how far it has read the metadata log, and
//! whether it is shutting down. Only the active controller knows them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::metadata::image::{BrokerImage, BrokersImage};
use crate::model::{BrokerId, Offset};

/// What the active controller knows of a broker beside its registration.
#[derive(Clone, Debug, PartialEq)]
struct Session {
    epoch: i64,
    fenced: bool,
    /// The last offset that the broker says it has applied; -1 if it has said none.
    metadata_offset: Offset,
    /// The offset of the records that hand the broker's partitions over, while it shuts down. It may stop
    /// once all others have read that far.
    controlled_shutdown_offset: Option<Offset>,
    last_contact: Option<Instant>,
}

/// What a broker is to the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BrokerState {
    Fenced,
    Unfenced,
    ControlledShutdown,
    ShutdownNow,
}

impl BrokerState {
    pub(super) fn is_fenced(self) -> bool {
        matches!(self, Self::Fenced | Self::ShutdownNow)
    }
}

/// The sessions of all registered brokers.
#[derive(Debug)]
pub(super) struct Sessions {
    timeout: Duration,
    brokers: BTreeMap<BrokerId, Session>,
}

impl Sessions {
    /// Sessions for all brokers of the image. Every unfenced one gets a whole session to find its new
    /// controller.
    pub(super) fn new(timeout: Duration, brokers: &BrokersImage, now: Instant) -> Self {
        let session = |broker: &BrokerImage| Session {
            epoch: broker.epoch,
            fenced: broker.fenced,
            metadata_offset: Offset::NONE,
            controlled_shutdown_offset: None,
            last_contact: (!broker.fenced).then_some(now),
        };
        let brokers = brokers.iter();
        Self {
            timeout,
            brokers: brokers.map(|broker| (broker.id, session(broker))).collect(),
        }
    }

    /// Adapts the session to what a record made of the broker's registration.
    pub(super) fn follow(&mut self, id: BrokerId, broker: Option<&BrokerImage>) {
        let Some(broker) = broker else {
            self.brokers.remove(&id);
            return;
        };
        let fresh = || Session {
            epoch: broker.epoch,
            fenced: broker.fenced,
            metadata_offset: Offset::NONE,
            controlled_shutdown_offset: None,
            last_contact: None,
        };
        let session = self.brokers.entry(id).or_insert_with(fresh);
        if session.epoch != broker.epoch {
            *session = fresh();
        }
        session.fenced = broker.fenced;
        if broker.fenced {
            session.controlled_shutdown_offset = None;
        }
    }

    /// Whether this process of the broker was heard from within the session timeout.
    pub(super) fn is_valid(&self, id: BrokerId, epoch: i64, now: Instant) -> bool {
        let session = self
            .brokers
            .get(&id)
            .filter(|session| session.epoch == epoch);
        session
            .and_then(|session| session.last_contact)
            .is_some_and(|contact| now.saturating_duration_since(contact) < self.timeout)
    }

    /// Notes that a broker was heard from, and how far it has read.
    pub(super) fn touch(&mut self, id: BrokerId, metadata_offset: Offset, now: Instant) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.last_contact = Some(now);
            session.metadata_offset = metadata_offset;
        }
    }

    /// What a registered broker is now.
    pub(super) fn state(&self, id: BrokerId) -> BrokerState {
        match self.brokers.get(&id) {
            Some(session) if session.controlled_shutdown_offset.is_some() => {
                BrokerState::ControlledShutdown
            }
            Some(session) if !session.fenced => BrokerState::Unfenced,
            _ => BrokerState::Fenced,
        }
    }

    /// Notes that a broker shuts down, and that records up to `offset` hand its partitions over.
    pub(super) fn begin_shutdown(&mut self, id: BrokerId, offset: Offset) {
        if let Some(session) = self.brokers.get_mut(&id) {
            session.controlled_shutdown_offset.get_or_insert(offset);
        }
    }

    /// Whether all active brokers have read the records that hand the broker's partitions over.
    pub(super) fn have_seen_shutdown(&self, id: BrokerId) -> bool {
        let session = self.brokers.get(&id);
        let Some(offset) = session.and_then(|session| session.controlled_shutdown_offset) else {
            return false;
        };
        let is_active =
            |session: &&Session| !session.fenced && session.controlled_shutdown_offset.is_none();
        let mut active = self.brokers.values().filter(is_active);
        active.all(|session| session.metadata_offset >= offset)
    }

    /// An unfenced broker that was not heard from for a whole session.
    pub(super) fn expired(&self, now: Instant) -> Option<(BrokerId, i64)> {
        let is_expired = |(_, session): &(&BrokerId, &Session)| {
            let contact = session.last_contact;
            !session.fenced
                && contact
                    .is_none_or(|contact| now.saturating_duration_since(contact) >= self.timeout)
        };
        let (id, session) = self.brokers.iter().find(is_expired)?;
        Some((*id, session.epoch))
    }

    /// When the next session may expire.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let unfenced = self.brokers.values().filter(|session| !session.fenced);
        let contacts = unfenced.filter_map(|session| session.last_contact);
        contacts.min().map(|contact| contact + self.timeout)
    }
}
