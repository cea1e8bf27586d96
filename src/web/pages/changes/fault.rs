//! Why a change is not done.

use axum::http::StatusCode;

use super::Change;
use crate::client::ClusterError;
use crate::protocol::{ErrorCode, Str};

/// Why a change is not done.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::web::pages) enum Fault {
    /// A field holds what it can't hold.
    Wrong { field: &'static str, text: String },
    /// The cluster refuses.
    Refused { code: ErrorCode, text: String },
    /// Nobody has answered: it may have been done.
    Silence(String),
}

impl Fault {
    /// A field holds what it can't hold.
    pub(in crate::web::pages) fn wrong(field: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Wrong { field, text }
    }

    /// Checks what an answer says.
    ///
    /// # Errors
    /// It says that the cluster refuses.
    pub(in crate::web::pages) fn check(code: ErrorCode, message: Option<Str>) -> Result<(), Self> {
        Ok(ClusterError::check(code, message)?)
    }

    /// What is wrong.
    pub(in crate::web::pages) fn text(&self) -> &str {
        match self {
            Self::Wrong { text, .. } | Self::Refused { text, .. } | Self::Silence(text) => text,
        }
    }

    /// The field that it is about.
    pub(in crate::web::pages) fn field(&self) -> Option<&'static str> {
        match self {
            Self::Wrong { field, .. } => Some(field),
            Self::Refused { .. } | Self::Silence(_) => None,
        }
    }

    /// What is wrong, and with what.
    pub(super) fn sentence(&self, change: &Change) -> String {
        match self {
            Self::Wrong { field, text } => {
                let named = change.fields.iter().find(|it| it.name == *field);
                format!("{}: {text}", named.map_or(*field, |it| it.label))
            }
            Self::Refused { code, text } => {
                format!("The cluster refuses: {text} ({})", code.name())
            }
            Self::Silence(text) => {
                format!("There was no answer, so it may have been done or not: {text}")
            }
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Wrong { .. } => StatusCode::BAD_REQUEST,
            Self::Refused { .. } => StatusCode::CONFLICT,
            Self::Silence(_) => StatusCode::GATEWAY_TIMEOUT,
        }
    }
}

impl From<ClusterError> for Fault {
    fn from(error: ClusterError) -> Self {
        let text = error.to_string();
        match error {
            ClusterError::Refused { code, .. } => Self::Refused { code, text },
            ClusterError::NotServed(_) => Self::Refused {
                code: ErrorCode::UNSUPPORTED_VERSION,
                text,
            },
            ClusterError::TimedOut { last, .. } => {
                Self::Silence(last.map_or(text, |error| error.to_string()))
            }
        }
    }
}
