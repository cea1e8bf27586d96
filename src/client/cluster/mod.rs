//! A cluster as its clients see it: its nodes, who leads which partition, who coordinates which group. Requests
//! go where they belong, and again after a pause where Kafka's own clients would send them again.
//!
//! - this file: the connections, and which node a request is for.
//! - `entry`: which nodes there are, by brokers or by controllers, and what controllers may be asked for.
//! - `error`: why something was not done.
//!
//! Connections are kept, by address, and made anew when they broke. While a request waits for its answer its
//! connection is taken out: a call that is dropped takes it with it.

mod entry;
mod error;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::host_and_port;
use crate::network::ClientError;
use crate::protocol::messages::find_coordinator::FindCoordinatorRequest;
use crate::protocol::messages::metadata::{
    MetadataRequest, MetadataRequestTopic, MetadataResponse, MetadataResponseTopic,
};
use crate::protocol::{ApiKey, ErrorCode, Request, Str};

use crate::client::connection::{AskError, NodeConnection, Versions};
use crate::client::retry::{Attempts, ErrorClass};

pub use entry::Entry;
pub use error::ClusterError;
use error::{fatal, timed_out};

/// The type of a group's id among the keys of FindCoordinator.
const GROUP: i8 = 0;

/// A partition: its topic's name and its number.
pub type PartitionKey = (Str, i32);

/// Where the cluster is, and how long to try.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// Addresses of some of its nodes, `host:port`.
    pub bootstrap: Vec<String>,
    /// What these nodes are.
    pub entry: Entry,
    /// What the nodes see in their logs and quotas.
    pub client_id: String,
    /// How long one answer may take, `request.timeout.ms`.
    pub request_timeout: Duration,
    /// How long all attempts at one thing may take, `default.api.timeout.ms`.
    pub api_timeout: Duration,
}

/// The node that a request is for.
#[derive(Clone, Copy, Debug)]
pub enum To<'a> {
    /// Whichever broker answers; among controllers the active one.
    Any,
    /// The node with this id.
    Node(i32),
    /// The one that the metadata names the controller.
    Controller,
    /// The coordinator of this group.
    Group(&'a str),
}

/// A cluster and the connections to it.
pub struct Cluster {
    options: ClusterOptions,
    nodes: BTreeMap<i32, String>,
    controller: i32,
    coordinators: BTreeMap<String, i32>,
    topics: BTreeMap<Str, MetadataResponseTopic>,
    connections: BTreeMap<String, NodeConnection>,
}

impl Cluster {
    /// A cluster that nobody was asked of yet.
    pub fn new(options: ClusterOptions) -> Self {
        Self {
            options,
            nodes: BTreeMap::new(),
            controller: -1,
            coordinators: BTreeMap::new(),
            topics: BTreeMap::new(),
            connections: BTreeMap::new(),
        }
    }

    /// Where the cluster is, and how long to try.
    pub fn options(&self) -> &ClusterOptions {
        &self.options
    }

    /// Gives up what is begun from now on after this time, if not earlier.
    pub fn limit(&mut self, api_timeout: Duration) {
        self.options.api_timeout = self.options.api_timeout.min(api_timeout);
    }

    /// The moment at which what is begun now is given up.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.options.api_timeout
    }

    /// Asks a node, and again when the connection breaks or no node can be found, until the deadline.
    ///
    /// # Errors
    /// Nobody has answered in time, or the node does not serve the API.
    pub async fn ask<R: Request>(
        &mut self,
        to: To<'_>,
        request: &R,
    ) -> Result<R::Response, ClusterError> {
        self.ask_until(to, request, |_| ErrorCode::NONE).await
    }

    /// Asks a leader once; `None` if it has not answered: another may lead by the time of the next look.
    ///
    /// # Errors
    /// The node does not serve the API.
    pub async fn ask_leader<R: Request>(
        &mut self,
        leader: i32,
        request: &R,
    ) -> Result<Option<R::Response>, ClusterError> {
        self.options.entry.check(R::KEY)?;
        let versions = R::KEY.valid_versions();
        match self.attempt(To::Node(leader), request, &versions).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) => fatal(&error).map_or(Ok(None), Err),
        }
    }

    /// As [`Self::ask`], and again as well while `outcome` finds an error in the answer that may pass.
    ///
    /// # Errors
    /// As [`Self::ask`]. The last answer counts when the time is over, whatever is in it.
    pub async fn ask_until<R: Request>(
        &mut self,
        to: To<'_>,
        request: &R,
        outcome: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClusterError> {
        let versions = R::KEY.valid_versions();
        self.ask_within(to, request, &versions, outcome).await
    }

    /// As [`Self::ask_until`], in a version within `versions`.
    ///
    /// # Errors
    /// As [`Self::ask_until`].
    pub async fn ask_within<R: Request>(
        &mut self,
        to: To<'_>,
        request: &R,
        versions: &Versions,
        outcome: impl Fn(&R::Response) -> ErrorCode,
    ) -> Result<R::Response, ClusterError> {
        self.options.entry.check(R::KEY)?;
        let mut attempts = Attempts::until(self.deadline());
        loop {
            let attempt = self.attempt(to, request, versions).await;
            let class = match &attempt {
                Ok(answer) => match outcome(answer) {
                    ErrorCode::NONE => None,
                    code => Some(ErrorClass::of(code)),
                },
                Err(error) => match fatal(error) {
                    Some(error) => return Err(error),
                    None => Some(ErrorClass::NewMetadata),
                },
            };
            let pause = match class {
                None | Some(ErrorClass::Fatal) => None,
                Some(class) => {
                    self.forget(to, class);
                    attempts.pause(Instant::now())
                }
            };
            match (attempt, pause) {
                (_, Some(pause)) => tokio::time::sleep(pause).await,
                (Ok(answer), None) => return Ok(answer),
                (Err(error), None) => return Err(timed_out(R::KEY, Some(error))),
            }
        }
    }

    /// Drops what an error of this class says is out of date.
    fn forget(&mut self, to: To<'_>, class: ErrorClass) {
        match (class, to) {
            (ErrorClass::NewMetadata | ErrorClass::NewCoordinator, To::Group(group)) => {
                self.coordinators.remove(group);
            }
            (ErrorClass::NewMetadata, To::Controller | To::Any) => self.controller = -1,
            _ => {}
        }
    }

    /// One attempt.
    async fn attempt<R: Request>(
        &mut self,
        to: To<'_>,
        request: &R,
        versions: &Versions,
    ) -> Result<R::Response, AskError> {
        match to {
            To::Any if self.options.entry == Entry::Brokers => {
                // A node that is no broker is found out like that, as by Kafka's clients.
                if self.nodes.is_empty() && R::KEY != ApiKey::Metadata {
                    self.learn_nodes().await?;
                }
                self.ask_any(request, versions).await
            }
            To::Node(id) => self.ask_node(id, request, versions).await,
            To::Any | To::Controller => match (self.controller().await?, self.options.entry) {
                // Every broker passes on what is for the controller, and knows best who that is.
                (..0, Entry::Brokers) => self.ask_any(request, versions).await,
                (..0, Entry::Controllers) => Err(not_connected("the active controller".to_owned())),
                (id, _) => self.ask_node(id, request, versions).await,
            },
            To::Group(group) => {
                let coordinator = match self.coordinators.get(group) {
                    Some(id) => *id,
                    None => self.find_coordinator(group).await?,
                };
                self.ask_node(coordinator, request, versions).await
            }
        }
    }

    async fn ask_node<R: Request>(
        &mut self,
        id: i32,
        request: &R,
        versions: &Versions,
    ) -> Result<R::Response, AskError> {
        if !self.nodes.contains_key(&id) {
            self.learn_nodes().await?;
        }
        let Some(address) = self.nodes.get(&id).cloned() else {
            return Err(not_connected(format!("node {id}")));
        };
        let asked = self.ask_address(&address, request, versions).await;
        if asked.is_err() {
            // It may come back at another address.
            self.nodes.remove(&id);
        }
        asked
    }

    /// Asks the nodes that are connected, then those that are known, then the first that were named.
    async fn ask_any<R: Request>(
        &mut self,
        request: &R,
        versions: &Versions,
    ) -> Result<R::Response, AskError> {
        let connected = self.connections.keys().cloned();
        let known = self.nodes.values().cloned();
        let named = self.options.bootstrap.iter().cloned();
        let mut addresses: Vec<String> = Vec::new();
        for address in connected.chain(known).chain(named) {
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        let mut last = not_connected("the cluster".to_owned());
        for address in addresses {
            match self.ask_address(&address, request, versions).await {
                Err(error @ AskError::Client(_)) => last = error,
                answered => return answered,
            }
        }
        Err(last)
    }

    async fn ask_address<R: Request>(
        &mut self,
        address: &str,
        request: &R,
        versions: &Versions,
    ) -> Result<R::Response, AskError> {
        let kept = self.connections.remove(address);
        let mut connection = match kept.filter(|connection| !connection.is_closed()) {
            Some(connection) => connection,
            None => {
                let (tool, timeout) = (&self.options.client_id, self.options.request_timeout);
                NodeConnection::open(address, tool, timeout).await?
            }
        };
        let answer = connection.ask_within(request, versions).await;
        if !matches!(answer, Err(AskError::Client(_))) {
            self.connections.insert(address.to_owned(), connection);
        }
        answer
    }

    async fn find_coordinator(&mut self, group: &str) -> Result<i32, AskError> {
        let request = FindCoordinatorRequest {
            key: Str::copy_from(group),
            key_type: GROUP,
            coordinator_keys: vec![Str::copy_from(group)],
        };
        let answer = self.ask_any(&request, &valid_versions(&request)).await?;
        let (code, id, host, port) = match answer.coordinators.into_iter().next() {
            Some(it) => (it.error_code, it.node_id, it.host, it.port),
            None => (answer.error_code, answer.node_id, answer.host, answer.port),
        };
        if code.is_error() {
            return Err(not_connected(format!(
                "the coordinator of {group} ({code})"
            )));
        }
        let port = u16::try_from(port).unwrap_or_default();
        self.nodes.insert(id, host_and_port(&host, port));
        self.coordinators.insert(group.to_owned(), id);
        Ok(id)
    }

    /// Asks for the metadata of these topics, or of all; what is known of them is what the answer says.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn refresh(
        &mut self,
        names: Option<&[Str]>,
        creates: bool,
    ) -> Result<MetadataResponse, ClusterError> {
        let topic = |name: &Str| MetadataRequestTopic {
            name: Some(name.clone()),
            ..MetadataRequestTopic::default()
        };
        let request = MetadataRequest {
            topics: names.map(|names| names.iter().map(topic).collect()),
            allow_auto_topic_creation: creates,
            ..MetadataRequest::default()
        };
        let answer = self.ask(To::Any, &request).await?;
        self.note_nodes(&answer);
        for topic in &answer.topics {
            let Some(name) = &topic.name else { continue };
            if topic.error_code.is_error() {
                self.topics.remove(name);
            } else {
                self.topics.insert(name.clone(), topic.clone());
            }
        }
        Ok(answer)
    }

    /// What is known of a topic.
    pub fn known(&self, topic: &str) -> Option<&MetadataResponseTopic> {
        self.topics.get(topic)
    }

    /// Drops what is known of a topic: it was wrong.
    pub fn forget_topic(&mut self, topic: &str) {
        self.topics.remove(topic);
    }

    /// The leader of a partition, as far as is known.
    pub fn leader(&self, topic: &str, partition: i32) -> Option<i32> {
        let mut partitions = self.known(topic)?.partitions.iter();
        let found = partitions.find(|it| it.partition_index == partition)?;
        Some(found.leader_id).filter(|leader| *leader >= 0)
    }

    /// Partitions by their leaders, as far as these are known.
    pub fn by_leader<'a>(
        &self,
        keys: impl Iterator<Item = &'a PartitionKey>,
    ) -> BTreeMap<i32, Vec<PartitionKey>> {
        let mut by_leader: BTreeMap<i32, Vec<PartitionKey>> = BTreeMap::new();
        for key in keys {
            if let Some(leader) = self.leader(&key.0, key.1) {
                by_leader.entry(leader).or_default().push(key.clone());
            }
        }
        by_leader
    }

    /// The address of a node, as far as is known.
    pub fn address(&self, node: i32) -> Option<&str> {
        self.nodes.get(&node).map(String::as_str)
    }

    /// The ids of the nodes, as far as is known.
    pub fn node_ids(&self) -> impl Iterator<Item = i32> {
        self.nodes.keys().copied()
    }

    /// Learns of a topic, and waits until it is there and has leaders, or `deadline` is over.
    ///
    /// # Errors
    /// It is not there by then, or the cluster refuses.
    pub async fn learn(
        &mut self,
        topic: &Str,
        creates: bool,
        deadline: Instant,
    ) -> Result<&MetadataResponseTopic, ClusterError> {
        let mut attempts = Attempts::until(deadline);
        while self.known(topic).is_none() {
            let names = std::slice::from_ref(topic);
            let answer = self.refresh(Some(names), creates).await?;
            let code = answer
                .topics
                .first()
                .map_or(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION, |topic| {
                    topic.error_code
                });
            if !code.is_error() {
                break;
            }
            if ErrorClass::of(code) == ErrorClass::Fatal {
                return Err(ClusterError::of(code));
            }
            match attempts.pause(Instant::now()) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(ClusterError::of(code)),
            }
        }
        self.known(topic)
            .ok_or_else(|| ClusterError::of(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION))
    }
}

fn valid_versions<R: Request>(_: &R) -> Versions {
    R::KEY.valid_versions()
}

fn not_connected(address: String) -> AskError {
    AskError::Client(ClientError::Connect {
        address,
        source: std::io::ErrorKind::NotConnected.into(),
    })
}
