//! The connection of a fetcher to its leader.

use std::sync::Arc;
use std::time::Duration;

use super::request::{FETCH_VERSIONS, LIST_OFFSETS_VERSIONS, LogEdge, found, list_offsets_request};
use super::work::{Found, Search};
use crate::config::host_and_port;
use crate::model::BrokerId;
use crate::network::{Client, ClientError, ClientOptions};
use crate::protocol::messages::fetch::{FetchRequest, FetchResponse};
use crate::protocol::messages::list_offsets::{ListOffsetsRequest, ListOffsetsResponse};
use crate::protocol::{ApiKey, ErrorCode, Request, Str};
use crate::replication::hosted::Hosted;

/// Kafka's number of the security protocol that brokers speak here.
const PLAINTEXT: i16 = 0;

/// Why a leader gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The metadata does not tell where the leader is.
    #[error("broker {leader} has no endpoint on listener {listener} that this broker can use")]
    NoEndpoint {
        /// The leader.
        leader: BrokerId,
        /// The listener over which brokers speak to each other.
        listener: Arc<str>,
    },
    /// The leader is too old.
    #[error("the leader does not serve {0} in a version for followers")]
    NoVersion(ApiKey),
    /// The connection failed.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// Asks one leader.
pub struct Link {
    leader: BrokerId,
    replica: BrokerId,
    listener: Arc<str>,
    hosted: Arc<Hosted>,
    options: ClientOptions,
    client: Option<Client>,
}

impl Link {
    /// No connection yet.
    pub fn new(
        (replica, leader): (BrokerId, BrokerId),
        name: &str,
        listener: &Arc<str>,
        timeout: Duration,
        hosted: &Arc<Hosted>,
    ) -> Self {
        let client_id = format!("broker-{replica}-{name}");
        Self {
            leader,
            replica,
            listener: Arc::clone(listener),
            hosted: Arc::clone(hosted),
            options: ClientOptions {
                client_id: Some(Str::copy_from(&client_id)),
                connect_timeout: timeout.min(ClientOptions::default().connect_timeout),
                request_timeout: timeout,
                ..ClientOptions::default()
            },
            client: None,
        }
    }

    /// Drops the connection. It must be called after a request whose answer was not awaited, or failed.
    pub fn close(&mut self) {
        self.client = None;
    }

    /// Asks for records.
    pub async fn fetch(&mut self, request: &FetchRequest) -> Result<FetchResponse, LinkError> {
        self.call(request, &FETCH_VERSIONS).await
    }

    /// Asks where logs start and end.
    pub async fn search(&mut self, searches: &[Search]) -> Result<Vec<(Search, Found)>, LinkError> {
        let image = self.hosted.image().clone();
        let named: Vec<_> = searches
            .iter()
            .map(|search| {
                let topic = image.topics().by_id(&search.id.topic_id);
                (search, topic.map(|topic| &*topic.name))
            })
            .collect();
        let known = || {
            let known = named.iter();
            known.filter_map(|(search, name)| Some((name.as_deref()?, *search)))
        };
        let starts = list_offsets_request(self.replica, LogEdge::Start, known());
        let starts = self.list_offsets(&starts).await?;
        let ends = list_offsets_request(self.replica, LogEdge::End, known());
        let ends = self.list_offsets(&ends).await?;
        let all = named.iter().map(|(search, name)| {
            let unknown = Err(ErrorCode::UNKNOWN_TOPIC_ID);
            let found = name.map_or(unknown, |name| found(name, &search.id, &starts, &ends));
            (**search, found)
        });
        Ok(all.collect())
    }

    async fn list_offsets(
        &mut self,
        request: &ListOffsetsRequest,
    ) -> Result<ListOffsetsResponse, LinkError> {
        self.call(request, &LIST_OFFSETS_VERSIONS).await
    }

    async fn call<R: Request>(
        &mut self,
        request: &R,
        versions: &std::ops::RangeInclusive<i16>,
    ) -> Result<R::Response, LinkError> {
        if self.client.is_none() {
            let address = self.address_of_leader()?;
            self.client = Some(connect(&self.options, &address).await?);
        }
        let client = self.client.as_mut().expect("it was just connected");
        let version = client.version_of(R::KEY, versions);
        let version = version.ok_or(LinkError::NoVersion(R::KEY))?;
        Ok(client.call(request, version).await?)
    }

    fn address_of_leader(&self) -> Result<String, LinkError> {
        let image = self.hosted.image();
        let broker = image.brokers().get(self.leader);
        let endpoint = broker.and_then(|broker| broker.endpoint(&self.listener));
        let endpoint = endpoint.filter(|endpoint| endpoint.security_protocol == PLAINTEXT);
        let endpoint = endpoint.ok_or_else(|| LinkError::NoEndpoint {
            leader: self.leader,
            listener: Arc::clone(&self.listener),
        })?;
        Ok(host_and_port(&endpoint.host, endpoint.port))
    }
}

async fn connect(options: &ClientOptions, address: &str) -> Result<Client, ClientError> {
    let mut client = Client::connect(address, options.clone()).await?;
    client.negotiate_as_broker().await?;
    Ok(client)
}
