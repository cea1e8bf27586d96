//! What the pages about messages say, as data.

use maud::Markup;
use serde::Serialize;

use super::asked::Reading;
use super::decode::Message;
use super::filter::Misread;
use super::read::{Found, Looked};

/// A page of messages.
#[derive(Debug, Serialize)]
pub(super) struct Messages {
    pub(super) topic: String,
    pub(super) partitions: usize,
    pub(super) messages: Vec<Message>,
    /// The cursor of the next page; `None` at the end.
    pub(super) next: Option<String>,
    pub(super) looked: Looked,
    /// Whether it ended for having looked at enough, with fewer messages than were asked for.
    pub(super) is_bounded: bool,
    /// What could not be read, and why.
    pub(super) troubles: Vec<String>,
    pub(super) mistake: Option<Mistake>,
}

/// Why nothing was read.
#[derive(Debug, Serialize)]
pub(super) struct Mistake {
    pub(super) message: String,
    /// The letter of the filter at which it goes wrong, from 0 on.
    pub(super) at: Option<usize>,
}

impl Messages {
    /// What was found.
    pub(super) fn of(topic: (&str, usize), found: Found<Message>) -> Self {
        let (topic, partitions) = topic;
        Self {
            topic: topic.to_owned(),
            partitions,
            messages: found
                .messages
                .into_iter()
                .map(|(_, message)| message)
                .collect(),
            next: found.next.map(|cursor| cursor.to_string()),
            looked: found.looked,
            is_bounded: found.is_bounded,
            troubles: found.troubles,
            mistake: None,
        }
    }

    /// Nothing, and why.
    pub(super) fn mistaken((topic, partitions): (&str, usize), mistake: Mistake) -> Self {
        Self {
            topic: topic.to_owned(),
            partitions,
            messages: Vec::new(),
            next: None,
            looked: Looked::default(),
            is_bounded: false,
            troubles: Vec::new(),
            mistake: Some(mistake),
        }
    }
}

impl From<Misread> for Mistake {
    fn from(misread: Misread) -> Self {
        Self {
            message: misread.message,
            at: Some(misread.at),
        }
    }
}

/// One message.
#[derive(Serialize)]
pub(super) struct OneMessage {
    pub(super) topic: String,
    #[serde(flatten)]
    pub(super) message: Message,
    #[serde(skip)]
    pub(super) reading: Reading,
    /// Links to what may be done with it.
    #[serde(skip)]
    pub(super) doings: Markup,
}
