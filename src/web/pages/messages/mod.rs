//! The messages of a topic: read from a place on, filtered, decoded, one by one, as a download. Nothing is kept
//! here between two requests.

mod asked;
mod decode;
mod filter;
mod lanes;
mod look;
mod produce;
mod read;
mod render;
mod tail;
mod view;

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::answer::Asked;
use super::query::decoded;
use super::view::Known;
use super::ways::topic_path;
use super::{Pages, starting_or_stopping};
use crate::client::Consumed;
use crate::metadata::image::TopicImage;
use crate::protocol::coordinator_json::CoordinatorTopic;
use crate::web::node::Stage;
use asked::Reading;
use decode::{Look, Message};
use filter::{Candidate, Filter};
use look::Make;
use read::{Bounds, TopicReader, Trouble};
use view::{Messages, Mistake, OneMessage};

pub(super) use produce::{PRODUCE, RESEND};
pub(super) use read::Turns;

/// The bytes of text that are shown of a key, value or header: in a list, and of one message.
const IN_A_LIST: usize = 1_000;
const OF_ONE: usize = 256 << 10;
/// The headers that are shown.
const HEADERS_IN_A_LIST: usize = 10;
const HEADERS_OF_ONE: usize = 1_000;
/// The most messages and bytes of records in a download.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: u64 = 8 << 20;

/// The pages.
pub(super) fn routes() -> Router<Arc<Pages>> {
    Router::new()
        .route("/topics/{name}/messages", get(list))
        .route("/topics/{name}/messages.jsonl", get(download))
        .route("/topics/{name}/messages/{partition}/{offset}", get(one))
        .route(
            "/topics/{name}/messages/{partition}/{offset}/{part}",
            get(raw),
        )
        .route("/topics/{name}/live", get(tail::page))
        .route("/topics/{name}/live/events", get(tail::events))
}

/// A request for a topic's messages that may be answered.
struct Place {
    asked: Asked,
    known: Known,
    topic: Arc<TopicImage>,
    /// Where the cluster can be asked.
    address: String,
    reading: Reading,
    /// What stands behind `messages` in the path.
    rest: Vec<String>,
}

impl Place {
    /// Where a request leads.
    ///
    /// # Errors
    /// The answer to who may not see it, or asks for what is not there.
    fn of(pages: &Pages, request: &Request) -> Result<Self, Box<Response>> {
        let mut asked = Asked::of(request);
        if let Some(refused) = pages.refusal(request, &mut asked) {
            return Err(Box::new(refused));
        }
        let stage = pages.node.stage();
        let Stage::Serving(serving) = &*stage else {
            return Err(Box::new(starting_or_stopping(&stage, &asked)));
        };
        let known = Pages::bare(serving);
        let mut parts = request.uri().path().split('/').skip(2).map(decoded);
        let name = parts.next().unwrap_or_default();
        let topic = known.image.topics().by_name(&name).cloned();
        let Some(topic) = topic else {
            let sentence = "There is nothing of this name.";
            return Err(Box::new(asked.error(StatusCode::NOT_FOUND, sentence)));
        };
        let address = serving.address.clone().map_err(|why| {
            let sentence = format!("This node cannot be asked for messages: {why}.");
            Box::new(asked.error(StatusCode::SERVICE_UNAVAILABLE, &sentence))
        })?;
        Ok(Self {
            topic,
            address,
            reading: Reading::of(request.uri().query().unwrap_or_default()),
            rest: parts.skip(1).collect(),
            asked,
            known,
        })
    }

    fn name(&self) -> (&str, usize) {
        (&self.topic.name, self.topic.partitions.iter().count())
    }

    fn reader<T: Send + 'static>(&self, bounds: Bounds, make: Make<T>) -> TopicReader<T> {
        let is_committed_only = !self.reading.uncommitted;
        TopicReader::new(
            &self.address,
            &self.topic,
            is_committed_only,
            (bounds, make),
        )
    }

    fn look(&self, most: usize, headers: usize) -> Look {
        Look {
            key: self.reading.key,
            value: self.reading.value,
            most,
            is_compact: most == IN_A_LIST,
            headers,
            coordinator: CoordinatorTopic::of(&self.topic.name),
        }
    }

    /// The partition and offset in the path.
    fn one(&self) -> Option<(i32, i64)> {
        let partition: i32 = self.rest.first()?.parse().ok()?;
        let offset: i64 = self.rest.get(1)?.parse().ok()?;
        self.topic.partition(partition)?;
        (offset >= 0).then_some((partition, offset))
    }

    fn trouble(&self, trouble: Trouble) -> Response {
        match trouble {
            Trouble::Asked(why) => self.asked.error(StatusCode::BAD_REQUEST, &why),
            Trouble::Busy => {
                let sentence = "Others read messages here. Try again in a moment.";
                self.asked.error(StatusCode::SERVICE_UNAVAILABLE, sentence)
            }
            Trouble::Streams => {
                let sentence = "Too many follow this node already.";
                self.asked.error(StatusCode::SERVICE_UNAVAILABLE, sentence)
            }
            Trouble::Cluster(why) => {
                let sentence = format!("The messages cannot be read: {why}.");
                self.asked.error(StatusCode::BAD_GATEWAY, &sentence)
            }
        }
    }

    fn no_message(&self) -> Response {
        let sentence = "There is no message at this offset: it was deleted, compacted away, never committed, or \
                        is yet to come.";
        self.asked.error(StatusCode::NOT_FOUND, sentence)
    }

    fn answer(&self, view: &Messages) -> Response {
        let (name, partitions) = self.name();
        let title = format!("Messages of {name}");
        let content = || render::list(view, &self.reading);
        let shown = self.asked.show(&title, "/topics", view, content);
        let write = ("Produce a message", produce::new_link(name, &self.reading));
        let doings = self.asked.doings(&[write]);
        let tools = render::tools((name, partitions), &self.reading, &doings);
        let mut answer = self
            .asked
            .answer(&self.known, shown.still().with_tools(tools));
        if view.mistake.is_some() {
            *answer.status_mut() = StatusCode::BAD_REQUEST;
        }
        answer
    }
}

/// Takes what a filter takes.
fn filtered<T: 'static>(
    filter: Option<Filter>,
    make: impl Fn(i32, &Consumed) -> T + Send + Sync + 'static,
) -> Make<T> {
    Arc::new(move |partition, record| {
        let is_wanted =
            (filter.as_ref()).is_none_or(|filter| filter.takes(&Candidate::new(partition, record)));
        is_wanted.then(|| make(partition, record))
    })
}

async fn list(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let filter = match Filter::read(&place.reading.filter) {
        Ok(filter) => filter,
        Err(misread) => return place.answer(&Messages::mistaken(place.name(), misread.into())),
    };
    let look = place.look(IN_A_LIST, HEADERS_IN_A_LIST);
    let make = filtered(filter, move |partition, record| {
        look.message(partition, record)
    });
    let found = async {
        let _turn = pages.turns.take().await?;
        let reader = place.reader(Bounds::of_page(place.reading.limit), make);
        reader.page(&place.reading).await
    };
    match found.await {
        Ok(found) => place.answer(&Messages::of(place.name(), found)),
        Err(Trouble::Asked(message)) => {
            let mistake = Mistake { message, at: None };
            place.answer(&Messages::mistaken(place.name(), mistake))
        }
        Err(trouble) => place.trouble(trouble),
    }
}

async fn one(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let look = place.look(OF_ONE, HEADERS_OF_ONE);
    let name = place.topic.name.to_string();
    let topic = name.clone();
    let make = filtered(None, move |partition, record| {
        let links = produce::links(&topic, partition, record);
        (look.message(partition, record), links)
    });
    let (message, links): (Message, _) = match read_one(&pages, &place, make).await {
        Ok(message) => message,
        Err(answer) => return *answer,
    };
    let title = format!("Message {} of {name}-{}", message.offset, message.partition);
    let view = OneMessage {
        topic: name,
        message,
        reading: place.reading.clone(),
        doings: place.asked.doings(&links),
    };
    let shown = place
        .asked
        .show(&title, "/topics", &view, || render::one(&view));
    place.asked.answer(&place.known, shown.still())
}

/// The key or value of a message as it is, for whoever wants to save it.
async fn raw(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let part = place.rest.get(2).map(String::as_str).unwrap_or_default();
    let is_key = match part {
        "key" => true,
        "value" => false,
        _ => return place.no_message(),
    };
    let make = filtered(None, move |_, record| {
        if is_key {
            record.key.clone()
        } else {
            record.value.clone()
        }
    });
    match read_one(&pages, &place, make).await {
        Ok(Some(bytes)) => {
            let (partition, offset) = place.one().unwrap_or_default();
            let file = format!("{}-{partition}-{offset}.{part}", place.topic.name);
            attachment(&file, "application/octet-stream", bytes.into())
        }
        Ok(None) => place.no_message(),
        Err(answer) => *answer,
    }
}

async fn read_one<T: Send + 'static>(
    pages: &Pages,
    place: &Place,
    make: Make<T>,
) -> Result<T, Box<Response>> {
    let Some((partition, offset)) = place.one() else {
        return Err(Box::new(place.no_message()));
    };
    let found = async {
        let _turn = pages.turns.take().await?;
        // Whoever names an offset wants to see what is there.
        let is_committed_only = false;
        let bounds = (Bounds::of_page(1), make);
        let reader = TopicReader::new(&place.address, &place.topic, is_committed_only, bounds);
        reader.one(partition, offset).await
    };
    match found.await {
        Ok(Some(it)) => Ok(it),
        Ok(None) => Err(Box::new(place.no_message())),
        Err(trouble) => Err(Box::new(place.trouble(trouble))),
    }
}

/// What a page would show, and more of it, as lines of JSON with all that is in each message.
async fn download(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let place = match Place::of(&pages, &request) {
        Ok(place) => place,
        Err(answer) => return *answer,
    };
    let filter = match Filter::read(&place.reading.filter) {
        Ok(filter) => filter,
        Err(misread) => return place.trouble(Trouble::Asked(misread.message)),
    };
    let found = async {
        let _turn = pages.turns.take().await?;
        let bounds = Bounds {
            bytes: MOST_BYTES,
            messages: MOST_LINES,
        };
        let reader = place.reader(bounds, filtered(filter, line));
        reader.page(&place.reading).await
    };
    let found = match found.await {
        Ok(found) => found,
        Err(trouble) => return place.trouble(trouble),
    };
    let mut text = String::new();
    for (_, line) in found.messages {
        let _ = writeln!(text, "{line}");
    }
    let name = &place.topic.name;
    let mut answer = attachment(
        &format!("{name}.jsonl"),
        "application/x-ndjson",
        text.into(),
    );
    let next = found
        .next
        .map(|cursor| place.reading.at_cursor(Some(cursor)));
    if let Some(next) = next {
        let path = format!("{}/messages.jsonl", topic_path(name));
        let link = format!("<{}>; rel=\"next\"", next.link(&path));
        if let Ok(link) = HeaderValue::from_str(&link) {
            answer.headers_mut().insert(header::LINK, link);
        }
    }
    answer
}

/// A message as a line: text as text, and what is none in base64.
fn line(partition: i32, record: &Consumed) -> String {
    let bytes = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    };
    let maybe = |it: &Option<bytes::Bytes>| it.as_deref().map_or(Value::Null, bytes);
    let header = |(name, value): &(bytes::Bytes, Option<bytes::Bytes>)| json!({ "name": bytes(name), "value": maybe(value) });
    let headers: Vec<Value> = record.headers.iter().map(header).collect();
    json!({
        "partition": partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": maybe(&record.key),
        "value": maybe(&record.value),
        "headers": headers,
    })
    .to_string()
}

/// An answer that a browser saves and never shows.
fn attachment(file: &str, kind: &'static str, body: axum::body::Body) -> Response {
    let is_plain = |it: &char| it.is_ascii_alphanumeric() || matches!(it, '.' | '_' | '-');
    let file: String = file.chars().filter(is_plain).collect();
    let disposition = HeaderValue::from_str(&format!("attachment; filename=\"{file}\""));
    let disposition = disposition.unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, body).into_response()
}
