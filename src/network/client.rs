//! A connection to another broker, for brokers, tools and tests: sends requests, awaits answers.
//!
//! One task owns it. Answers come in the order of requests, so after an error, or a call that was
//! dropped before its answer, the connection is of no use any more: drop it and connect again.

use std::future::{Future, poll_fn};
use std::io;
use std::ops::RangeInclusive;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpStream;

use super::budget::{Lane, RequestMemory};
use super::close::CloseReason;
use super::read::{Appetite, FrameReader, ReadRules};
use super::write::Output;
use crate::protocol::messages::api_versions::{ApiVersion, ApiVersionsRequest};
use crate::protocol::{
    ApiKey, Decode, DecodeError, ErrorCode, Message, Reader, Request, ResponseHeader, Str, frame,
};

/// The version of ApiVersions that every broker since 2.4 answers.
const API_VERSIONS_VERSION: i16 = 3;
/// The shortest answer: its correlation id.
const SHORTEST_ANSWER: i32 = 4;

/// How a client connects, and how long it waits.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// What the other side sees in its logs and quotas.
    pub client_id: Option<Str>,
    /// How long the connection may take to be established.
    pub connect_timeout: Duration,
    /// How long an answer may take, from the moment its request is written.
    pub request_timeout: Duration,
    /// A longer answer is refused before memory is taken for it.
    pub answer_max_bytes: u32,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            client_id: None,
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            answer_max_bytes: i32::MAX as u32,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The name has no address, or nobody listens there.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// Host and port.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// Neither the connection nor an answer came within this time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection broke, or the other side closed it.
    #[error("{0}")]
    Closed(#[from] CloseReason),
    /// The answer cannot be understood.
    #[error("an answer to {api:?} that cannot be understood: {source}")]
    Decode {
        /// The API that was asked.
        api: ApiKey,
        /// What is wrong with the answer.
        source: DecodeError,
    },
    /// The answer belongs to another request.
    #[error("the answer to request {received} came where that to {expected} was due")]
    OutOfStep {
        /// The correlation id of the request.
        expected: i32,
        /// The correlation id of the answer.
        received: i32,
    },
    /// The other side does not tell its versions.
    #[error("the other side refuses ApiVersions: {0:?}")]
    Versions(ErrorCode),
}

/// A connection to a broker.
pub struct Client {
    stream: TcpStream,
    options: ClientOptions,
    memory: RequestMemory,
    reader: FrameReader,
    output: Output,
    last_correlation_id: i32,
    versions: Vec<ApiVersion>,
}

impl Client {
    /// Connects to `host:port`.
    ///
    /// # Errors
    /// Nobody listens there, or not within the time allowed.
    pub async fn connect(address: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let connect = tokio::time::timeout(options.connect_timeout, TcpStream::connect(address));
        let connected = match connect.await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let connected = connected.and_then(|stream| stream.set_nodelay(true).map(|()| stream));
        let stream = connected.map_err(|source| ClientError::Connect {
            address: address.to_owned(),
            source,
        })?;
        Ok(Self {
            stream,
            options,
            memory: RequestMemory::new(None),
            reader: FrameReader::default(),
            output: Output::default(),
            last_correlation_id: 0,
            versions: Vec::new(),
        })
    }

    /// Asks for the versions that the other side serves, for [`Client::version_of`].
    ///
    /// # Errors
    /// As [`Client::call`], or it refuses.
    pub async fn negotiate(&mut self, software: &ApiVersionsRequest) -> Result<(), ClientError> {
        let answer = self.call(software, API_VERSIONS_VERSION).await?;
        if answer.error_code.is_error() {
            return Err(ClientError::Versions(answer.error_code));
        }
        self.versions = answer.api_keys;
        Ok(())
    }

    /// Asks for the versions as this broker.
    ///
    /// # Errors
    /// As [`Client::negotiate`].
    pub async fn negotiate_as_broker(&mut self) -> Result<(), ClientError> {
        self.negotiate(&ApiVersionsRequest {
            client_software_name: Str::from_static("broker"),
            client_software_version: Str::from_static(env!("CARGO_PKG_VERSION")),
            ..ApiVersionsRequest::default()
        })
        .await
    }

    /// The newest version of an API within `ours` that the other side serves too. `None` also
    /// before [`Client::negotiate`].
    pub fn version_of(&self, api: ApiKey, ours: &RangeInclusive<i16>) -> Option<i16> {
        let theirs = self
            .versions
            .iter()
            .find(|theirs| theirs.api_key == api as i16)?;
        let newest = theirs.max_version.min(*ours.end());
        (newest >= theirs.min_version.max(*ours.start())).then_some(newest)
    }

    /// Whether the other side has closed the connection, or has sent what nobody asked for. To be called
    /// between requests.
    pub fn is_closed(&self) -> bool {
        let read = self.stream.try_read(&mut [0]);
        !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and awaits its answer.
    ///
    /// # Errors
    /// No answer came, or it does not belong to this request.
    pub async fn call<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<R::Response, ClientError> {
        let timeout = self.options.request_timeout;
        let exchange = async {
            let expected = self.send(request, version).await?;
            let (received, answer) = self.receive().await?;
            if received != expected {
                return Err(ClientError::OutOfStep { expected, received });
            }
            decode_answer::<R>(answer, version).map_err(|source| ClientError::Decode {
                api: R::KEY,
                source,
            })
        };
        in_time(timeout, exchange).await
    }

    /// Sends a request without awaiting its answer, and returns its correlation id.
    ///
    /// # Errors
    /// The connection is broken.
    pub async fn send<R: Request>(
        &mut self,
        request: &R,
        version: i16,
    ) -> Result<i32, ClientError> {
        self.last_correlation_id = self.last_correlation_id.wrapping_add(1);
        let (id, client_id) = (self.last_correlation_id, self.options.client_id.clone());
        self.output
            .push(frame::request(id, client_id, request, version));
        poll_fn(|context| self.output.poll_write(context, &mut self.stream)).await?;
        Ok(id)
    }

    /// The next answer: its correlation id, and all its bytes from the header on.
    ///
    /// # Errors
    /// The connection is broken, or was closed by the other side.
    pub async fn receive(&mut self) -> Result<(i32, Bytes), ClientError> {
        let Self {
            stream,
            memory,
            reader,
            options,
            ..
        } = self;
        let received = poll_fn(|context| -> Poll<Result<_, CloseReason>> {
            let rules = ReadRules {
                memory,
                shortest: SHORTEST_ANSWER,
                limit: options.answer_max_bytes,
                appetite: Appetite::Usual,
                admit: &|_| Some(Lane::Reserved),
            };
            reader.poll_frame(context, stream, &rules)
        });
        let answer = received.await?.bytes;
        let id = answer.first_chunk().expect("no answer is shorter");
        Ok((i32::from_be_bytes(*id), answer))
    }
}

/// Decodes an answer, header and body, which must end with its body.
///
/// # Errors
/// It is no such answer.
pub fn decode_answer<R: Request>(answer: Bytes, version: i16) -> Result<R::Response, DecodeError> {
    R::Response::check_version(version)?;
    let mut reader = Reader::new(answer);
    ResponseHeader::decode(&mut reader, R::KEY.response_header_version(version))?;
    let body = R::Response::decode(&mut reader, version)?;
    reader.finish()?;
    Ok(body)
}

async fn in_time<T>(
    timeout: Duration,
    exchange: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let in_time = tokio::time::timeout(timeout, exchange).await;
    in_time.unwrap_or(Err(ClientError::TimedOut(timeout)))
}
