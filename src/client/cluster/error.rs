//! Why a cluster has not done what it was asked for, in the words of Kafka's clients.

use crate::client::connection::AskError;
use crate::protocol::{ApiKey, ErrorCode, Str};

/// Why the cluster has not done what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No node was reached, or none answered, as long as the call was to be tried.
    #[error("Timed out waiting for a node assignment. Call: {call}")]
    TimedOut {
        /// The API, as Kafka's clients name its call.
        call: String,
        /// What the last attempt failed with.
        last: Option<AskError>,
    },
    /// The cluster refuses.
    #[error("{}", .message.as_deref().unwrap_or(.code.message()))]
    Refused {
        /// Its error.
        code: ErrorCode,
        /// Its own words for it.
        message: Option<Str>,
    },
    /// The node does not serve the API.
    #[error("The node does not support {}", constant(*.0))]
    NotServed(ApiKey),
}

impl ClusterError {
    /// A refusal in the words of its code.
    pub fn of(code: ErrorCode) -> Self {
        let message = None;
        Self::Refused { code, message }
    }

    /// Checks what an answer says.
    ///
    /// # Errors
    /// It says that the cluster refuses.
    pub fn check(code: ErrorCode, message: Option<Str>) -> Result<(), Self> {
        if code.is_error() {
            return Err(Self::Refused { code, message });
        }
        Ok(())
    }

    /// The error code, if the cluster has answered with one.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            Self::TimedOut { .. } | Self::NotServed(_) => None,
        }
    }
}

/// What an attempt at a call has come to, if another is of no use.
pub(super) fn fatal(error: &AskError) -> Option<ClusterError> {
    match error {
        AskError::Client(_) => None,
        AskError::NotServed(api) => Some(ClusterError::NotServed(*api)),
        AskError::Refused { code, message } => Some(ClusterError::Refused {
            code: *code,
            message: message.clone(),
        }),
    }
}

/// Nobody has answered a call, as Kafka's clients name it: `createTopics`.
pub(super) fn timed_out(api: ApiKey, last: Option<AskError>) -> ClusterError {
    let name = match api {
        ApiKey::ApiVersions => "describeFeatures",
        ApiKey::DescribeCluster => "listNodes",
        ApiKey::DescribeQuorum => "describeMetadataQuorum",
        ApiKey::Metadata => "listTopics",
        api => api.name(),
    };
    let mut letters = name.chars();
    let first = letters.next().map(|letter| letter.to_ascii_lowercase());
    let call = first.into_iter().chain(letters).collect();
    ClusterError::TimedOut { call, last }
}

/// An API as Kafka's code names it: `CREATE_TOPICS`.
fn constant(api: ApiKey) -> String {
    let mut name = String::new();
    for letter in api.name().chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_api_that_is_not_served_is_told_by_kafkas_name() {
        let error = ClusterError::NotServed(ApiKey::AlterReplicaLogDirs);

        assert_eq!(
            error.to_string(),
            "The node does not support ALTER_REPLICA_LOG_DIRS"
        );
    }
}
