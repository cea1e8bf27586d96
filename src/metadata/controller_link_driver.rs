//! The way to the active controller when that is another node.
//!
//! A request goes over a connection of its own, taken from those that are idle, so a slow decision holds up
//! no other. What is known of its fate decides what follows: a request that cannot have arrived, or that
//! met a controller that is not the active one, goes to the next; of one whose answer was lost nothing is
//! known, and only its sender can tell whether it may be repeated.

use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use parking_lot::Mutex;

use super::controller::ControllerRequestContext;
use crate::config::Voter;
use crate::model::BrokerId;
use crate::network::{Client, ClientError, ClientOptions, decode_answer};
use crate::protocol::messages::envelope::EnvelopeRequest;
use crate::protocol::messages::principal::DefaultPrincipalData;
use crate::protocol::{ApiKey, DecodeError, ErrorCode, Request, Str, frame, message};
use crate::security::Principal;

/// How long the active controller may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the active controller may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// So many connections are kept when nobody uses them.
const MAX_IDLE: usize = 8;
/// An answer of the controller is no longer than the longest that this node would give.
const ANSWER_MAX_BYTES: u32 = 100 * 1024 * 1024;
/// The address of a request that no client sent.
const LOCALHOST: Bytes = Bytes::from_static(&[127, 0, 0, 1]);
/// The version in which a principal is written.
const PRINCIPAL_VERSION: i16 = 0;

/// Connections to the controllers of other nodes.
pub struct ControllerLink {
    local: BrokerId,
    voters: Vec<Voter>,
    options: ClientOptions,
    idle: Mutex<Vec<(BrokerId, Client)>>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The request was not decided on: it may be sent again, to whoever is the active controller.
    #[error("{0}")]
    NotDecided(String),
    /// Nothing is known of the request.
    #[error("{0}")]
    Lost(String),
    /// The controller refuses the request as a whole.
    #[error("the controller answers {0:?}")]
    Refused(ErrorCode),
}

impl fmt::Debug for ControllerLink {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = &mut formatter.debug_struct("ControllerLink");
        link.field("local", &self.local).finish_non_exhaustive()
    }
}

impl ControllerLink {
    /// The way from the node `local` to the controllers `voters`.
    pub fn new(local: BrokerId, voters: &[Voter]) -> Self {
        Self {
            local,
            voters: voters.to_vec(),
            options: ClientOptions {
                client_id: Some(Str::copy_from(&format!("broker-{local}-to-controller"))),
                connect_timeout: CONNECT_TIMEOUT,
                request_timeout: ANSWER_TIMEOUT,
                answer_max_bytes: ANSWER_MAX_BYTES,
            },
            idle: Mutex::default(),
        }
    }

    /// This node.
    pub(super) fn local(&self) -> BrokerId {
        self.local
    }

    /// The nodes with a controller.
    pub(super) fn voters(&self) -> impl Iterator<Item = BrokerId> {
        self.voters.iter().map(|voter| voter.id)
    }

    /// Asks the controller `leader` for this node itself.
    pub(super) async fn ask<R: Request>(
        &self,
        leader: BrokerId,
        request: &R,
    ) -> Result<R::Response, LinkError> {
        let mut client = self.client(leader).await?;
        let version = version_of(&client, R::KEY, &R::KEY.valid_versions())?;
        let answer = client.call(request, version).await.map_err(lost)?;
        self.give_back(leader, client);
        Ok(answer)
    }

    /// Asks the controller `leader` for a client, over this connection to it.
    pub(super) async fn forward<R: Request>(
        &self,
        leader: BrokerId,
        mut client: Client,
        request: &R,
        context: &ControllerRequestContext,
    ) -> Result<R::Response, LinkError> {
        let version = context.version;
        let sender = context.sender.as_ref();
        let client_id = sender.map(|sender| sender.client_id.clone());
        let address = sender.map(|sender| sender.address.clone());
        let envelope = EnvelopeRequest {
            request_data: frame::unframed_request(0, client_id, request, version),
            request_principal: Some(principal_bytes(&context.principal)),
            client_host_address: address.unwrap_or(LOCALHOST),
        };
        let of_envelope = version_of(
            &client,
            ApiKey::Envelope,
            &ApiKey::Envelope.valid_versions(),
        )?;
        let answer = client.call(&envelope, of_envelope).await.map_err(lost)?;
        self.give_back(leader, client);
        match answer.error_code {
            ErrorCode::NONE => {}
            ErrorCode::NOT_CONTROLLER => {
                let reason = format!("node {leader} is not the active controller");
                let is_undecided = answer.response_data.as_ref().is_some_and(Bytes::is_empty);
                return Err(if is_undecided || may_be_repeated(R::KEY) {
                    LinkError::NotDecided(reason)
                } else {
                    LinkError::Lost(reason)
                });
            }
            code => return Err(LinkError::Refused(code)),
        }
        let unread = |error: DecodeError| LinkError::Lost(error.to_string());
        decode_answer::<R>(answer.response_data.unwrap_or_default(), version).map_err(unread)
    }

    /// A connection to the controller `leader`, which nobody else uses.
    pub(super) async fn client(&self, leader: BrokerId) -> Result<Client, LinkError> {
        if let Some(client) = self.take_idle(leader) {
            return Ok(client);
        }
        let not_decided = |error: ClientError| LinkError::NotDecided(error.to_string());
        let voter = self.voters.iter().find(|voter| voter.id == leader);
        let voter = voter.ok_or_else(|| {
            LinkError::NotDecided(format!(
                "controller.quorum.voters does not name node {leader}"
            ))
        })?;
        let address = voter.address();
        let mut client = Client::connect(&address, self.options.clone())
            .await
            .map_err(not_decided)?;
        let negotiated = tokio::time::timeout(CONNECT_TIMEOUT, client.negotiate_as_broker()).await;
        let in_time = negotiated.unwrap_or(Err(ClientError::TimedOut(CONNECT_TIMEOUT)));
        in_time.map_err(not_decided)?;
        Ok(client)
    }

    /// A connection to `leader` that nobody uses. Those to other nodes are closed: they lead no more. One
    /// that the other side has closed meanwhile is no connection.
    fn take_idle(&self, leader: BrokerId) -> Option<Client> {
        let mut idle = self.idle.lock();
        idle.retain(|(_, client)| !client.is_closed());
        let place = idle.iter().rposition(|(to, _)| *to == leader)?;
        Some(idle.remove(place).1)
    }

    fn give_back(&self, leader: BrokerId, client: Client) {
        let mut idle = self.idle.lock();
        if idle.len() >= MAX_IDLE {
            let Some(other) = idle.iter().position(|(to, _)| *to != leader) else {
                return;
            };
            idle.remove(other);
        }
        idle.push((leader, client));
    }
}

/// Whether a request may be sent again that may have been carried out: it says how things are to be, and
/// not what is to be added or taken away.
///
/// An Apache controller that loses the lead says NOT_CONTROLLER also of what it has appended. Ours does not,
/// and marks its word by empty response data.
fn may_be_repeated(key: ApiKey) -> bool {
    matches!(
        key,
        ApiKey::AlterConfigs
            | ApiKey::IncrementalAlterConfigs
            | ApiKey::AlterClientQuotas
            | ApiKey::AlterPartitionReassignments
            | ApiKey::DescribeQuorum
            | ApiKey::UpdateFeatures
    )
}

fn version_of(
    client: &Client,
    api: ApiKey,
    ours: &std::ops::RangeInclusive<i16>,
) -> Result<i16, LinkError> {
    let version = client.version_of(api, ours);
    version.ok_or_else(|| LinkError::NotDecided(format!("the controller does not serve {api}")))
}

fn lost(error: ClientError) -> LinkError {
    match error {
        ClientError::Connect { source, .. }
            if source.kind() == io::ErrorKind::ConnectionRefused =>
        {
            LinkError::NotDecided(source.to_string())
        }
        error => LinkError::Lost(error.to_string()),
    }
}

fn principal_bytes(principal: &Principal) -> Bytes {
    let data = DefaultPrincipalData {
        kind: principal.kind.clone(),
        name: principal.name.clone(),
        token_authenticated: principal.token_authenticated,
    };
    message::encode_versioned(PRINCIPAL_VERSION, &data, PRINCIPAL_VERSION)
}

/// The principal that an envelope carries; `None` if it can't be read.
pub fn principal_of(bytes: &Bytes) -> Option<Principal> {
    let version = i16::from_be_bytes(*bytes.first_chunk()?);
    let data: DefaultPrincipalData =
        crate::protocol::decode_whole(bytes.slice(2..), version).ok()?;
    Some(Principal {
        kind: data.kind,
        name: data.name,
        token_authenticated: data.token_authenticated,
    })
}
