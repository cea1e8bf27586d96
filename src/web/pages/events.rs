//! Server-sent events: streams that stay open for as long as somebody reads them. There are few, none is held up by
//! a reader for long, and all end when the node stops.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::Pages;
use super::answer::Asked;
use crate::web::node::Stage;
use crate::web::received::Received;
use crate::web::slots::LongAnswer;

/// How many streams there may be.
const MOST: usize = 12;
/// Events that are made ahead of the reader, and how long it may take none.
const AHEAD: usize = 4;
const STALL: Duration = Duration::from_secs(10);
/// How often the pages that are looked at are told to look again, if there is anything new.
const LOOK: Duration = Duration::from_secs(2);
/// How long a stream says nothing at most: so a reader that is gone is noticed.
const SILENCE: u32 = 3;

/// The streams.
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Streams {
    /// A new stream, and what is sent on it; `None` if there are too many.
    pub(super) fn open(&self) -> Option<(Events, Sender)> {
        let place = Arc::clone(&self.0).try_acquire_owned().ok()?;
        let (sender, events) = mpsc::channel(AHEAD);
        Some((
            Events(events),
            Sender {
                sender,
                stall: STALL,
                _place: place,
            },
        ))
    }
}

/// Where events are sent. Its place is free once it is dropped.
pub(super) struct Sender {
    sender: mpsc::Sender<Bytes>,
    stall: Duration,
    _place: OwnedSemaphorePermit,
}

impl Sender {
    /// Sends an event; false if nobody reads it, or not in time.
    pub(super) async fn send(&self, event: &str, data: &str) -> bool {
        let mut text = format!("event: {event}\n");
        for line in data.lines() {
            text.push_str("data: ");
            text.push_str(line);
            text.push('\n');
        }
        text.push('\n');
        let sent = timeout(self.stall, self.sender.send(text.into())).await;
        matches!(sent, Ok(Ok(())))
    }

    /// Whether anybody reads.
    pub(super) fn is_read(&self) -> bool {
        !self.sender.is_closed()
    }
}

/// The body of an answer that is a stream of events.
pub(super) struct Events(mpsc::Receiver<Bytes>);

impl Events {
    /// The answer.
    pub(super) fn answer(self) -> Response {
        let kind = [(header::CONTENT_TYPE, "text/event-stream")];
        let mut answer = (kind, Body::new(Received(self.0))).into_response();
        answer.extensions_mut().insert(LongAnswer);
        answer
    }
}

/// `/events`: tells pages that show the cluster when to look again.
pub(super) async fn looks(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let mut asked = Asked::of(&request);
    if let Some(refused) = pages.refusal(&request, &mut asked) {
        return refused;
    }
    let Some((events, sender)) = pages.streams.open() else {
        let sentence = "Too many follow this node already.";
        return asked.error(StatusCode::SERVICE_UNAVAILABLE, sentence);
    };
    tokio::spawn(tell_when_new(pages, sender));
    events.answer()
}

async fn tell_when_new(pages: Arc<Pages>, sender: Sender) {
    let mut before = None;
    let mut silent = 0;
    loop {
        let newest = match &*pages.node.stage() {
            Stage::Serving(serving) => {
                let image = Arc::clone(&serving.parts.metadata.image());
                let survey = pages.surveyor.latest(&image, pages.peers(serving)).await;
                (image.provenance().offset, Arc::as_ptr(&survey) as usize)
            }
            Stage::Starting | Stage::Stopping => return,
        };
        let is_new = before.replace(newest) != Some(newest);
        silent = if is_new { 0 } else { silent + 1 };
        if is_new || silent >= SILENCE {
            silent = 0;
            let event = if is_new { "look" } else { "nothing" };
            if !sender.send(event, "{}").await {
                return;
            }
        }
        if !sender.is_read() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_are_so_many_streams_and_one_that_ends_makes_room() {
        let streams = Streams::default();
        let mut open: Vec<_> = (0..MOST).filter_map(|_| streams.open()).collect();
        assert_eq!(open.len(), MOST);
        assert!(streams.open().is_none());

        open.pop();

        assert!(streams.open().is_some());
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_given_up() {
        let (_events, mut sender) = Streams::default().open().expect("a place");
        sender.stall = Duration::from_millis(1);
        for _ in 0..AHEAD {
            assert!(sender.send("look", "{}").await);
        }

        assert!(!sender.send("look", "{}").await);
    }

    #[tokio::test]
    async fn an_event_of_several_lines_stays_one() {
        let (mut events, sender) = Streams::default().open().expect("a place");

        assert!(sender.send("messages", "a\nb").await);

        let text = events.0.recv().await.expect("it was sent");
        assert_eq!(text, "event: messages\ndata: a\ndata: b\n\n");
    }
}
