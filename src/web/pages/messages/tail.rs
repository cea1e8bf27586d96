//! The live tail of a topic: a page that shows messages as they come, by server-sent events. What comes faster than
//! people read is counted and left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::response::Response;
use serde_json::json;

use super::asked::Reading;
use super::decode::Message;
use super::filter::Filter;
use super::lanes::Lanes;
use super::read::{Bounds, TopicReader, Trouble};
use super::view::Mistake;
use super::{HEADERS_IN_A_LIST, IN_A_LIST, Place, filtered, render};
use crate::web::node::{Node, Stage};
use crate::web::pages::Pages;
use crate::web::pages::events::Sender;
use crate::web::pages::ways::topic_path;

/// How long a look takes at least: a leader has other things to do.
const PAUSE: Duration = Duration::from_millis(400);
/// So many looks in a row may find nothing until that is told: so a reader that is gone is noticed.
const QUIET: u32 = 12;
/// How many messages are shown of one look.
const SHOWN: usize = 20;
/// How many bytes are read in one look before what comes next is passed over.
const MOST_BYTES: u64 = 2 << 20;

/// The page.
pub(super) async fn page(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let mistake = Filter::read(&place.reading.filter).err();
    let (name, partitions) = place.name();
    let title = format!("Live tail of {name}");
    let events = place
        .reading
        .link(&format!("{}/live/events", topic_path(name)));
    let view = json!({ "topic": name, "events": events });
    let mistake: Option<Mistake> = mistake.map(Into::into);
    let content = || render::tail(name, &place.reading, (&events, mistake.as_ref()));
    let shown = place.asked.show(&title, "/topics", &view, content);
    let tools = render::tail_tools(name, partitions, &place.reading);
    place.asked.answer(&place.known, shown.with_tools(tools))
}

/// The messages that come from now on.
pub(super) async fn events(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let filter = match Filter::read(&place.reading.filter) {
        Ok(filter) => filter,
        Err(misread) => return place.trouble(Trouble::Asked(misread.message)),
    };
    let Some((events, sender)) = pages.streams.open() else {
        return place.trouble(Trouble::Streams);
    };
    let look = place.look(IN_A_LIST, HEADERS_IN_A_LIST);
    let make = filtered(filter, move |partition, record| {
        look.message(partition, record)
    });
    let reader = place.reader(Bounds::of_page(SHOWN * 50), make);
    let tail = Tail {
        node: Arc::clone(&pages.node),
        reader,
        sender,
        quiet: 0,
    };
    tokio::spawn(tail.follow(place.reading));
    events.answer()
}

struct Tail {
    node: Arc<Node>,
    reader: TopicReader<Message>,
    sender: Sender,
    /// How many looks in a row there was nothing to tell.
    quiet: u32,
}

impl Tail {
    /// Sends what comes until nobody reads it, the topic cannot be read, or the node stops.
    async fn follow(mut self, reading: Reading) {
        let Ok(ends) = self.reader.ends(&reading).await else {
            let _ = self
                .tell("trouble", &json!("The leaders do not answer."))
                .await;
            return;
        };
        let mut lanes = lanes_from(ends);
        if !self.tell("begin", &json!({})).await {
            return;
        }
        while matches!(*self.node.stage(), Stage::Serving(_)) {
            let began = Instant::now();
            if !self.look(&mut lanes, &reading).await {
                return;
            }
            // It may be that leaders have changed: the places stay.
            if let Stage::Serving(serving) = &*self.node.stage() {
                self.reader.renew(&serving.parts.metadata.image());
            }
            tokio::time::sleep(PAUSE.saturating_sub(began.elapsed())).await;
        }
    }

    /// One look: reads what there is, sends some of it. False if nobody reads it any more.
    async fn look(&mut self, lanes: &mut Lanes<Message>, reading: &Reading) -> bool {
        let until = Instant::now() + PAUSE;
        let before = self.reader.looked.bytes;
        let (mut shown, mut left_out) = (Vec::new(), 0_u64);
        loop {
            let records = self.reader.looked.records;
            let wants = lanes.wanted();
            if self.reader.read(lanes, wants, until).await.is_err() {
                break;
            }
            for (_, item) in lanes.take(usize::MAX, true) {
                if shown.len() < SHOWN {
                    shown.push(item.shown);
                } else {
                    left_out += 1;
                }
            }
            let is_much = self.reader.looked.bytes - before > MOST_BYTES;
            if self.reader.looked.records == records || is_much || Instant::now() >= until {
                if is_much && let Ok(ends) = self.reader.ends(reading).await {
                    left_out += lanes.skip_to(&ends);
                }
                break;
            }
        }
        for trouble in std::mem::take(&mut self.reader.troubles) {
            if !self.tell("trouble", &json!(trouble)).await {
                return false;
            }
        }
        lanes.resume();
        if shown.is_empty() && left_out == 0 {
            self.quiet += 1;
            if self.quiet < QUIET {
                return self.sender.is_read();
            }
            self.quiet = 0;
            return self.tell("nothing", &json!({})).await;
        }
        self.quiet = 0;
        let looked = self.reader.looked.records;
        self.tell(
            "messages",
            &json!({ "messages": shown, "left_out": left_out, "looked": looked }),
        )
        .await
    }

    async fn tell(&self, event: &str, data: &serde_json::Value) -> bool {
        self.sender.send(event, &data.to_string()).await
    }
}

fn lanes_from(ends: BTreeMap<i32, i64>) -> Lanes<Message> {
    let spans = ends
        .into_iter()
        .map(|(partition, end)| (partition, end..i64::MAX));
    Lanes::new(false, spans.collect(), SHOWN)
}
