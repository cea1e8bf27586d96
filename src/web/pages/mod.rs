//! The admin pages: the whole cluster, whichever node serves them, to read. A page is data (`view`, made of the
//! node's own metadata image and of what the brokers told, see `survey`), shown as HTML (`render`, in a `frame`)
//! or as JSON to who accepts that.
//!
//! Nothing in a page runs but one script of our own, and nothing is loaded from elsewhere: the policy that goes
//! with each says so to browsers.

mod answer;
mod assets;
mod changes;
mod charts;
mod detail;
mod events;
mod frame;
mod login;
mod messages;
mod open_api;
mod query;
mod render;
mod survey;
mod time;
mod view;
mod ways;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};

use maud::html;

use super::node::{Node, Serving, Stage};
use crate::clock::wall_clock;
use crate::config::host_and_port;
use crate::metadata::image::{BrokerImage, MetadataImage, ResourceKind};
use answer::{Asked, Shown};
use detail::{Detail, Detailer};
use login::Login;
use query::encoded;
use survey::{Peer, Surveyor};
use view::Known;
use view::brokers::{BrokerState, Brokers, LogDirectories, OneBroker};
use view::groups::{Groups, OneGroup};
use view::moves::Moves;
use view::overview::Overview;
use view::quorum::QuorumView;
use view::topics::{OneTopic, Topics};

/// The number of PLAINTEXT among security protocols.
const PLAINTEXT: i16 = 0;

/// What makes a page of what is known. `None` if there is no such thing.
type Make = fn(&Known, &Asked) -> Option<Shown>;

/// What all pages share.
struct Pages {
    node: Arc<Node>,
    login: Login,
    surveyor: Arc<Surveyor>,
    detailer: Detailer,
    turns: messages::Turns,
    history: Arc<charts::History>,
    streams: events::Streams,
}

/// The pages, by path.
pub(super) fn router(node: &Arc<Node>) -> Router {
    let pages = Arc::new(Pages {
        node: Arc::clone(node),
        login: Login::new(&node.config.admin, &node.config.node),
        surveyor: Arc::default(),
        detailer: Detailer::default(),
        turns: messages::Turns::default(),
        history: charts::History::begin(node),
        streams: events::Streams::default(),
    });
    Router::new()
        .route("/", page(overview))
        .route("/topics", page(topics))
        .route("/topics/{name}", page(topic))
        .route("/groups", page(groups))
        .route("/group", page(group))
        .route("/brokers", page(brokers))
        .route("/brokers/{id}", page(broker))
        .route("/log-dirs", page(log_directories))
        .route("/quorum", page(quorum))
        .route("/moves", page(moves))
        .route("/openapi.json", get(open_api::describe))
        .route(login::LOGIN, get(login::show).post(login::log_in))
        .route(login::LOGOUT, post(login::log_out))
        .merge(changes::routes())
        .merge(messages::routes())
        .route("/charts", get(charts::page))
        .route("/events", get(events::looks))
        .fallback(missing)
        .with_state(pages)
        .merge(assets::routes())
}

fn page(make: Make) -> MethodRouter<Arc<Pages>> {
    get(
        move |State(pages): State<Arc<Pages>>, request: Request| async move {
            let mut asked = Asked::of(&request);
            match pages.refusal(&request, &mut asked) {
                Some(refused) => refused,
                None => pages.answer(&asked, make).await,
            }
        },
    )
}

async fn missing(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let mut asked = Asked::of(&request);
    match pages.refusal(&request, &mut asked) {
        Some(refused) => refused,
        None => asked.error(StatusCode::NOT_FOUND, "There is no such page."),
    }
}

impl Pages {
    async fn answer(&self, asked: &Asked, make: Make) -> Response {
        let stage = self.node.stage();
        let Stage::Serving(serving) = &*stage else {
            return starting_or_stopping(&stage, asked);
        };
        let detail = Detail::of(asked, &serving.parts.metadata.image());
        let known = self.known(serving, detail).await;
        match make(&known, asked) {
            Some(shown) => asked.answer(&known, shown),
            None => asked.error(StatusCode::NOT_FOUND, "There is nothing of this name."),
        }
    }

    /// The answer to who may not see the pages.
    fn refusal(&self, request: &Request, asked: &mut Asked) -> Option<Response> {
        asked.is_read_only = self.node.config.admin.admin_read_only;
        let checked = self.login.check(request, asked);
        checked.err().map(|refused| asked.refused(&refused))
    }

    /// Where brokers can be asked, as clients ask them.
    fn addresses(&self) -> Vec<String> {
        match &*self.node.stage() {
            Stage::Serving(serving) => {
                let peers = self.peers(serving).into_iter();
                peers.filter_map(|peer| peer.address.ok()).collect()
            }
            Stage::Starting | Stage::Stopping => Vec::new(),
        }
    }

    fn peers(&self, serving: &Serving) -> Vec<Peer> {
        let parts = &serving.parts;
        let listener = parts.config.network.listeners.inter_broker.as_deref();
        peers(&parts.metadata.image(), listener)
    }

    async fn known(&self, serving: &Serving, detail: Option<Detail>) -> Known {
        let parts = &serving.parts;
        let image = Arc::clone(&parts.metadata.image());
        let peers = self.peers(serving);
        let details = async {
            match detail {
                Some(detail) => Some(self.detailer.ask(detail, &image, &peers).await),
                None => None,
            }
        };
        let survey = self.surveyor.latest(&image, peers.clone());
        let (survey, details) = tokio::join!(survey, details);
        Known {
            image,
            survey,
            details,
            ..Self::bare(serving)
        }
    }

    /// What is known without asking anybody.
    fn bare(serving: &Serving) -> Known {
        let parts = &serving.parts;
        let image = Arc::clone(&parts.metadata.image());
        let of_file = parts.config.topic_defaults.min_insync_replicas;
        Known {
            min_isr: min_isr(&image, of_file),
            image,
            survey: Arc::default(),
            cluster_id: parts.cluster_id.clone(),
            node_id: parts.config.node.node_id.0,
            details: None,
            now_ms: wall_clock().0,
        }
    }
}

/// The answer of a node that does not serve.
fn starting_or_stopping(stage: &Stage, asked: &Asked) -> Response {
    let sentence = match stage {
        Stage::Stopping => "This node is stopping. Another node shows the cluster.",
        Stage::Starting | Stage::Serving(_) => {
            "This node is starting. It shows the cluster once it serves."
        }
    };
    asked.error(StatusCode::SERVICE_UNAVAILABLE, sentence)
}

/// Where the brokers listen: on the listener of brokers, if they have it.
fn peers(image: &MetadataImage, listener: Option<&str>) -> Vec<Peer> {
    let address = |broker: &BrokerImage| {
        if broker.fenced {
            return Err("it is fenced, and was not asked".to_owned());
        }
        let named = listener.and_then(|listener| broker.endpoint(listener));
        let mut plain = broker.endpoints.iter();
        let plain = plain.find(|it| it.security_protocol == PLAINTEXT);
        let endpoint = named.or(plain);
        let endpoint = endpoint.filter(|it| it.security_protocol == PLAINTEXT);
        let endpoint = endpoint.ok_or("it has no listener without encryption")?;
        Ok(host_and_port(&endpoint.host, endpoint.port))
    };
    let brokers = image.brokers().iter();
    let peer = brokers.map(|broker| Peer {
        id: broker.id.0,
        address: address(broker),
    });
    peer.collect()
}

/// `min.insync.replicas` of topics that have none of their own: the cluster's, or that of this node's file.
fn min_isr(image: &MetadataImage, of_file: i32) -> usize {
    let configs = image.configs();
    let of_cluster = configs.get(ResourceKind::Broker, "", view::MIN_ISR);
    let of_cluster = of_cluster.and_then(|text| text.parse().ok());
    of_cluster.unwrap_or_else(|| usize::try_from(of_file).unwrap_or(1))
}

fn overview(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = Overview::of(known);
    let content = || render::overview::overview(&view);
    Some(asked.show("Overview", "/", &view, content))
}

fn topics(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = Topics::of(known, &asked.query);
    let content = || render::topics::topics(&view, &asked.query);
    let shown = asked.show("Topics", "/topics", &view, content);
    let links = [
        ("Create a topic", "/change/create-topic".to_owned()),
        (
            "Elect preferred leaders",
            "/change/elect-leaders".to_owned(),
        ),
        ("Move partitions", "/change/move-partitions".to_owned()),
        ("Moves under way", "/moves".to_owned()),
    ];
    let tools = render::topics::tools(&asked.query);
    Some(shown.with_tools(html! { (tools) (asked.doings(&links)) }))
}

fn topic(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = OneTopic::of(known, &asked.name, &asked.query)?;
    let title = format!("Topic {}", asked.name);
    let content = || render::topics::one(&view, &asked.query);
    let shown = asked.show(&title, "/topics", &view, content);
    let name = encoded(&asked.name);
    let link = |text, change| (text, format!("/change/{change}?topic={name}"));
    let links = [
        link("Add partitions", "add-partitions"),
        link("Elect preferred leaders", "elect-leaders"),
        link("Move or copy", "move-partitions"),
        link("Delete records", "delete-records"),
        link("Delete", "delete-topic"),
    ];
    Some(shown.with_tools(asked.doings(&links)))
}

fn groups(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = Groups::of(known, &asked.query);
    let content = || render::groups::groups(&view, &asked.query);
    let shown = asked.show("Groups", "/groups", &view, content);
    Some(shown.with_tools(render::groups::tools(&asked.query)))
}

fn group(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = OneGroup::of(known, &asked.query)?;
    let title = format!("Group {}", asked.query.id);
    let content = || render::groups::one(&view, &asked.query);
    let shown = asked.show(&title, "/groups", &view, content);
    let id = encoded(&asked.query.id);
    let links = [
        ("Reset offsets", format!("/change/reset-offsets?group={id}")),
        ("Delete", format!("/change/delete-group?group={id}")),
    ];
    Some(shown.with_tools(asked.doings(&links)))
}

fn brokers(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = Brokers::of(known);
    let content = || render::brokers::brokers(&view);
    let shown = asked.show("Brokers", "/brokers", &view, content);
    let links = [
        ("Quotas", "/change/quota".to_owned()),
        ("Moves under way", "/moves".to_owned()),
    ];
    Some(shown.with_tools(asked.doings(&links)))
}

fn broker(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = OneBroker::of(known, asked.name.parse().ok()?)?;
    let title = format!("Broker {}", asked.name);
    let content = || render::brokers::one(&view);
    let shown = asked.show(&title, "/brokers", &view, content);
    let drain = format!("/change/drain?broker={}", view.broker.id);
    let word = match view.broker.state {
        BrokerState::Drained => "Let it lead again",
        _ => "Drain",
    };
    Some(shown.with_tools(asked.doings(&[(word, drain)])))
}

fn log_directories(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = LogDirectories::of(known);
    let content = || render::brokers::log_directories(&view);
    Some(asked.show("Log directories", "/log-dirs", &view, content))
}

fn moves(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = Moves::of(known);
    let content = || render::moves::moves(&view);
    let shown = asked.show("Moves of partitions", "/topics", &view, content);
    let links = [
        ("Move partitions", "/change/move-partitions".to_owned()),
        ("Cancel all", "/change/cancel-moves".to_owned()),
        ("End limits", "/change/end-limits".to_owned()),
    ];
    Some(shown.with_tools(asked.doings(&links)))
}

fn quorum(known: &Known, asked: &Asked) -> Option<Shown> {
    let view = QuorumView::of(known);
    let content = || render::overview::quorum(&view);
    Some(asked.show("Metadata quorum", "/quorum", &view, content))
}
