//! Text that is made while it is sent: a thread writes it into pieces, and waits where its reader does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::StatusCode;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use crate::telemetry::Exposition;
use crate::web::received::Received;

/// The bytes of a piece.
const PIECE: usize = 64 << 10;
/// Pieces that are made ahead of the reader.
const AHEAD: usize = 2;
/// Scrapes at a time: each has a thread.
const AT_A_TIME: usize = 4;
/// How long a scrape waits for others.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Says that too many scrape at once.
pub(super) type Busy = (StatusCode, &'static str);

/// The scrapes that are going on.
pub(super) struct Scrapes(Arc<Semaphore>);

impl Default for Scrapes {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_A_TIME)))
    }
}

impl Scrapes {
    /// Begins to write, as soon as few others do.
    ///
    /// # Errors
    /// Others took too long.
    pub(super) async fn begin(
        &self,
        write: impl FnOnce(&mut Exposition<'_>) -> fmt::Result + Send + 'static,
    ) -> Result<Body, Busy> {
        let turn = Arc::clone(&self.0).acquire_owned();
        let Ok(Ok(turn)) = timeout(LONGEST_WAIT, turn).await else {
            return Err((
                StatusCode::SERVICE_UNAVAILABLE,
                "too many scrapes at once\n",
            ));
        };
        let (sender, pieces) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut pieces = Pieces {
                sender,
                piece: String::with_capacity(PIECE),
                _turn: turn,
            };
            let written = write(&mut Exposition::new(&mut pieces));
            // An error means that nobody reads any more.
            let _ = written.and_then(|()| pieces.send());
        });
        Ok(Body::new(Received(pieces)))
    }
}

/// Where a scrape is written.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    piece: String,
    _turn: OwnedSemaphorePermit,
}

impl Pieces {
    /// Hands a piece over. It waits until the reader has taken those before; it is gone when its connection is,
    /// which has its time (see [`super::super::slots`]).
    fn send(&mut self) -> fmt::Result {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, String::with_capacity(PIECE));
        self.sender
            .blocking_send(piece.into())
            .map_err(|_| fmt::Error)
    }
}

impl fmt::Write for Pieces {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.piece.push_str(text);
        if self.piece.len() >= PIECE {
            self.send()?;
        }
        Ok(())
    }
}
