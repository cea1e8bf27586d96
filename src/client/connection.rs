//! A connection to one node, which knows which version of each request both sides speak.

use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;

use crate::network::{Client, ClientError, ClientOptions};
use crate::protocol::{ApiKey, ErrorCode, Request, Str};

/// The versions of a request to choose from.
pub(super) type Versions = RangeInclusive<i16>;

/// A connection to one node.
pub struct NodeConnection {
    client: Client,
}

/// Why a node has not answered.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// The connection failed, or what came is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The node does not serve the API in any version that is known here.
    #[error("it does not serve {0:?} in any version that is known here")]
    NotServed(ApiKey),
    /// The node is not one that the request is for.
    #[error("{}", .message.as_deref().unwrap_or(.code.message()))]
    Refused {
        /// Its error.
        code: ErrorCode,
        /// Its own words for it.
        message: Option<Str>,
    },
}

/// A request that was sent and has no answer yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// What its answer begins with.
    pub(super) correlation_id: i32,
    /// The version of both.
    pub(super) version: i16,
}

impl NodeConnection {
    /// Connects to `host:port`, and learns what the node serves. Neither this nor any answer may take longer
    /// than `timeout`.
    ///
    /// # Errors
    /// Nobody listens there, or not in time, or it is no Kafka node.
    pub async fn open(address: &str, tool: &str, timeout: Duration) -> Result<Self, AskError> {
        let options = ClientOptions {
            client_id: Some(Str::copy_from(tool)),
            connect_timeout: timeout,
            request_timeout: timeout,
            ..ClientOptions::default()
        };
        let mut client = Client::connect(address, options).await?;
        client.negotiate_as_broker().await?;
        Ok(Self { client })
    }

    /// Asks in the newest version that both sides speak.
    ///
    /// # Errors
    /// There is no such version, or no answer comes. After the latter the connection is of no use any more.
    pub async fn ask<R: Request>(&mut self, request: &R) -> Result<R::Response, AskError> {
        self.ask_within(request, &R::KEY.valid_versions()).await
    }

    /// As [`Self::ask`], in a version within `versions`.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn ask_within<R: Request>(
        &mut self,
        request: &R,
        versions: &Versions,
    ) -> Result<R::Response, AskError> {
        let version = self.version_within::<R>(versions)?;
        Ok(self.client.call(request, version).await?)
    }

    /// Sends a request in the newest version within `versions`, and does not wait for its answer.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub(super) async fn send<R: Request>(
        &mut self,
        request: &R,
        versions: &Versions,
    ) -> Result<Sent, AskError> {
        let version = self.version_within::<R>(versions)?;
        let correlation_id = self.client.send(request, version).await?;
        Ok(Sent {
            correlation_id,
            version,
        })
    }

    /// The next answer: its correlation id, and all its bytes. What has arrived is kept if the call is
    /// dropped.
    ///
    /// # Errors
    /// The connection is of no use any more.
    pub(super) async fn receive(&mut self) -> Result<(i32, Bytes), AskError> {
        Ok(self.client.receive().await?)
    }

    /// Whether the node has closed the connection.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    fn version_within<R: Request>(&self, versions: &Versions) -> Result<i16, AskError> {
        let version = self.client.version_of(R::KEY, versions);
        version.ok_or(AskError::NotServed(R::KEY))
    }
}
