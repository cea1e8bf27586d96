//! One client that telemetry knows: who it says it is, what it is asked for, and whether a push of it
//! is in order.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::clients::SHORTEST_MEMORY;
use crate::config::ClientAttribute;
use crate::model::Uuid;

/// A client that has been silent for so many push intervals is forgotten.
const SILENT_INTERVALS: u32 = 3;

/// Who a client says it is, for the match rules of subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The client's id for telemetry, as text.
    pub instance_id: String,
    /// The client id of its requests.
    pub client_id: String,
    /// The name and version of its software, if it told them in ApiVersions.
    pub software: Option<(String, String)>,
    /// The address that the client connects from.
    pub peer: SocketAddr,
}

impl ClientIdentity {
    /// The bytes of its texts.
    pub(super) fn size(&self) -> usize {
        let software = self.software.as_ref();
        let software = software.map_or(0, |(name, version)| name.len() + version.len());
        self.instance_id.len() + self.client_id.len() + software
    }

    /// What the identity says of `attribute`; `address` and `port` are `peer` as text.
    pub(super) fn attribute<'a>(
        &'a self,
        attribute: ClientAttribute,
        address: &'a str,
        port: &'a str,
    ) -> Option<&'a str> {
        let software = self.software.as_ref();
        match attribute {
            ClientAttribute::InstanceId => Some(&self.instance_id),
            ClientAttribute::ClientId => Some(&self.client_id),
            ClientAttribute::SoftwareName => software.map(|(name, _)| &**name),
            ClientAttribute::SoftwareVersion => software.map(|(_, version)| &**version),
            ClientAttribute::SourceAddress => Some(address),
            ClientAttribute::SourcePort => Some(port),
        }
    }
}

/// What a client is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Names this content: a push carries the id, so a push for an older subscription is told apart.
    pub id: i32,
    /// How often the client is to push, in milliseconds.
    pub push_interval_ms: i32,
    /// Prefixes of metrics' names; `*` alone for all, an empty list for none.
    pub metrics: Vec<String>,
}

impl Subscription {
    /// Asks the client `id` for `metrics`.
    ///
    /// The subscription's id follows from the arguments alone, so that every broker gives the same one and
    /// a client may push to any of them.
    pub(super) fn new(id: Uuid, metrics: Vec<String>, push_interval_ms: i32) -> Self {
        let text = format!("[{}]{push_interval_ms}", metrics.join(", "));
        let of_client = crc32c::crc32c(id.as_bytes());
        Self {
            id: (crc32c::crc32c(text.as_bytes()) ^ of_client) as i32,
            push_interval_ms,
            metrics,
        }
    }
}

/// A push of a client.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// The id of the subscription that the push answers.
    pub subscription_id: i32,
    /// Whether the client says that it ends, and will push no more.
    pub is_last: bool,
    /// Kafka's number of the codec: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.
    pub compression: i8,
    /// OpenTelemetry's metrics, compressed.
    pub metrics: Bytes,
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The push interval is not over.
    #[error("it came before the push interval was over")]
    TooEarly,
    /// The client is asked for something else by now.
    #[error("it is for another subscription")]
    UnknownSubscription,
    /// No codec has this number.
    #[error("its compression is unknown")]
    UnknownCompression,
    /// The push is larger than `telemetry.max.bytes`.
    #[error("it is too large")]
    TooLarge,
    /// The client has said that it ends.
    #[error("the client has ended")]
    AfterTheLast,
}

/// What is remembered of a client.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) identity: ClientIdentity,
    subscription: Subscription,
    /// The version of all subscriptions from which the client's own was worked out.
    pub(super) version: u64,
    pub(super) heard: Instant,
    asked: Option<Instant>,
    pushed: Option<Instant>,
    has_ended: bool,
    last_refusal: Option<Refused>,
    /// Kafka's number of the codec, and the metrics of the newest push.
    pub(super) newest: Option<(i8, Bytes)>,
}

impl Client {
    /// A client that is heard of for the first time, or whose subscription has changed.
    pub(super) fn new(
        identity: ClientIdentity,
        subscription: Subscription,
        version: u64,
        now: Instant,
    ) -> Self {
        Self {
            identity,
            subscription,
            version,
            heard: now,
            asked: None,
            pushed: None,
            has_ended: false,
            last_refusal: None,
            newest: None,
        }
    }

    /// Tells the client what it is asked for.
    ///
    /// # Errors
    /// `TooEarly`: the client asked or pushed less than an interval ago.
    pub(super) fn ask(&mut self, now: Instant) -> Result<Subscription, Refused> {
        let last = self.asked.max(self.pushed);
        let is_due = last.is_none_or(|last| now.duration_since(last) >= self.interval());
        // KIP-714: a client that was refused so must ask again, and need not wait with that.
        let may_ask_again = matches!(
            self.last_refusal,
            Some(Refused::UnknownSubscription | Refused::UnknownCompression)
        );
        if is_due {
            self.asked = Some(now);
        } else if !may_ask_again {
            return Err(Refused::TooEarly);
        }
        self.last_refusal = None;
        Ok(self.subscription.clone())
    }

    /// Notes a push, and checks it.
    ///
    /// # Errors
    /// The first rule of KIP-714 that the push breaks.
    pub(super) fn take(
        &mut self,
        pushed: &Pushed,
        max_bytes: u32,
        now: Instant,
    ) -> Result<(), Refused> {
        let checked = self.check(pushed, max_bytes, now);
        self.has_ended = pushed.is_last;
        self.last_refusal = checked.err();
        checked
    }

    fn check(&mut self, pushed: &Pushed, max_bytes: u32, now: Instant) -> Result<(), Refused> {
        if self.has_ended {
            return Err(Refused::AfterTheLast);
        }
        // The first push after asking may come early: clients spread theirs over the interval.
        let has_just_asked = self.asked > self.pushed;
        let is_due = |last: Instant| now.duration_since(last) >= self.interval();
        let is_in_time = has_just_asked || self.pushed.is_none_or(is_due);
        if is_in_time {
            self.pushed = Some(now);
        } else if !pushed.is_last {
            return Err(Refused::TooEarly);
        }
        if pushed.subscription_id != self.subscription.id {
            return Err(Refused::UnknownSubscription);
        }
        if !(0..=4).contains(&pushed.compression) {
            return Err(Refused::UnknownCompression);
        }
        if pushed.metrics.len() as u64 > u64::from(max_bytes) {
            return Err(Refused::TooLarge);
        }
        Ok(())
    }

    fn interval(&self) -> Duration {
        let milliseconds = u64::try_from(self.subscription.push_interval_ms).unwrap_or(0);
        Duration::from_millis(milliseconds)
    }

    /// How long the client is remembered when it is silent.
    pub(super) fn memory(&self) -> Duration {
        (self.interval() * SILENT_INTERVALS).max(SHORTEST_MEMORY)
    }

    /// The bytes of its newest push.
    pub(super) fn size(&self) -> usize {
        self.newest.as_ref().map_or(0, |(_, metrics)| metrics.len())
    }
}
