//! What tools ask a node of any Kafka cluster with: a connection that knows which version of each request
//! both sides speak.

use std::time::Duration;

use crate::network::{Client, ClientError, ClientOptions};
use crate::protocol::{ApiKey, Request, Str};

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
        let version = self.client.version_of(R::KEY, &R::KEY.valid_versions());
        let version = version.ok_or(AskError::NotServed(R::KEY))?;
        Ok(self.client.call(request, version).await?)
    }
}
