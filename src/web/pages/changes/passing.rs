//! The one way of all changes, from a request to its answer; and the pages with their forms.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use serde_json::{Value, json};

use super::form::Form;
use super::guard::{self, TOKEN};
use super::page::Sent;
use super::{CHANGES, Change, Fault, Outcome, Task, page};
use crate::client::{Cluster, ClusterOptions, Entry};
use crate::telemetry::{LogGate, Untrusted};
use crate::web::gate::Refused;
use crate::web::node::Stage;
use crate::web::pages::answer::Asked;
use crate::web::pages::login::{self, Actor};
use crate::web::pages::view::Known;
use crate::web::pages::{Pages, starting_or_stopping, survey};

/// The most bytes of a form: where 10,000 partitions shall go.
const MOST_BYTES: usize = 1 << 20;
/// How long a node may take to answer, and how long all attempts may take.
const ANSWER: Duration = Duration::from_secs(10);
const ATTEMPTS: Duration = Duration::from_secs(15);
/// How long a node waits at most to know of a change itself.
const CATCH_UP: Duration = Duration::from_secs(2);
/// What the brokers see in their logs and quotas.
const CLIENT: &str = "broker-admin";

const READ_ONLY: &str =
    "This node only shows the cluster, as its config says (admin.read.only): it changes nothing.";
const NO_PASSWORD: &str = "Nothing can be changed here until there is a password: set admin.password or admin.password.file \
    (KAFKA_ADMIN_PASSWORD or KAFKA_ADMIN_PASSWORD_FILE in the environment), and start this node again.";
const LOG_IN: &str = "Nothing was changed: you are not logged in any more. Log in on another page of this node, then go back and \
     send the form again.";

/// Lines for the changes that are made, and for those that are refused.
static MADE: LogGate = LogGate::of_many(200);
static REFUSED: LogGate = LogGate::of_many(20);

/// A route for each change.
pub(in crate::web::pages) fn routes() -> Router<Arc<Pages>> {
    CHANGES.iter().fold(Router::new(), |router, change| {
        let change: &'static Change = change;
        let show = move |State(pages): State<Arc<Pages>>, request: Request| async move {
            show(&pages, change, request).await
        };
        let pass = move |State(pages): State<Arc<Pages>>, request: Request| async move {
            let asked = Asked::of(&request);
            let passed = pass(&pages, change, request, asked).await;
            passed.unwrap_or_else(|refusal| *refusal)
        };
        router.route(change.path, get(show).post(pass))
    })
}

/// The page with the form of a change.
async fn show(pages: &Pages, change: &'static Change, request: Request) -> Response {
    let mut asked = Asked::of(&request);
    if let Some(refused) = pages.refusal(&request, &mut asked) {
        return refused;
    }
    if pages.node.config.admin.admin_read_only {
        return asked.error(StatusCode::FORBIDDEN, READ_ONLY);
    }
    if asked.wants_json() {
        return asked.json(StatusCode::OK, &described(change));
    }
    match pages.login.actor(&request) {
        Ok(Actor::Session { .. }) => {}
        Ok(Actor::Program) | Err(Refused::Wrong) => return login::to_login(&asked),
        Err(Refused::NoPassword) => return asked.error(StatusCode::FORBIDDEN, NO_PASSWORD),
        Err(refused) => return asked.refused(&refused),
    }
    let mut form = Form::of_pairs(request.uri().query().unwrap_or_default());
    let Ok(known) = known(pages, change, &form).await else {
        return starting_or_stopping(&pages.node.stage(), &asked);
    };
    (change.fill)(&known, &mut form);
    let token = asked.form_token.clone().unwrap_or_default();
    let content = page::form(change, &known, &form, (&token, Sent::No));
    asked.form(
        StatusCode::OK,
        (change.title, change.place),
        Some(known.node_id),
        &content,
    )
}

/// Lets a request through that may change something, makes the change, and says what it came to.
async fn pass(
    pages: &Pages,
    change: &'static Change,
    request: Request,
    mut asked: Asked,
) -> Result<Response, Box<Response>> {
    let from = login::ends(&request).and_then(|ends| ends.peer());
    let refuse = |status: StatusCode, sentence: &str| {
        log_refused(from, change, sentence);
        Box::new(asked.error(status, sentence))
    };
    if pages.node.config.admin.admin_read_only {
        return Err(refuse(StatusCode::FORBIDDEN, READ_ONLY));
    }
    if !guard::is_ours(&request) {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            guard::Foreign::Origin.sentence(),
        ));
    }
    let actor = match pages.login.actor(&request) {
        Ok(actor) => actor,
        Err(Refused::NoPassword) => return Err(refuse(StatusCode::FORBIDDEN, NO_PASSWORD)),
        Err(Refused::Wrong) if asked.wants_html() => {
            return Err(refuse(StatusCode::FORBIDDEN, LOG_IN));
        }
        Err(refused) => {
            log_refused(from, change, &format!("{refused:?}"));
            return Err(Box::new(asked.refused(&refused)));
        }
    };
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MOST_BYTES).await else {
        return Err(refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            "This is more than a form may hold.",
        ));
    };
    let form = read(&parts.headers, &bytes);
    let form = form.map_err(|(status, sentence)| refuse(status, &sentence))?;
    if let Err(foreign) = guard::check(&parts.headers, &actor, form.text(TOKEN)) {
        return Err(refuse(StatusCode::FORBIDDEN, foreign.sentence()));
    }
    if let Actor::Session { form_token, .. } = &actor {
        asked.form_token = Some(form_token.clone());
    }
    let Ok(before) = known(pages, change, &form).await else {
        return Ok(starting_or_stopping(&pages.node.stage(), &asked));
    };
    let outcome = make(pages, change, &form, from).await;
    Ok(answer(
        pages,
        change,
        (&asked, &actor),
        (outcome, form, &before),
    ))
}

/// Makes a change. It goes on if who asked for it is gone.
async fn make(
    pages: &Pages,
    change: &'static Change,
    form: &Form,
    from: Option<IpAddr>,
) -> Result<Outcome, Fault> {
    let gone = |_| Fault::Silence("this node is stopping".to_owned());
    let known = known(pages, change, form).await.map_err(gone)?;
    let what = summary(change, form);
    let options = ClusterOptions {
        bootstrap: pages.addresses(),
        entry: Entry::Brokers,
        client_id: CLIENT.to_owned(),
        request_timeout: ANSWER,
        api_timeout: ATTEMPTS,
    };
    let task = Task {
        form: form.clone(),
        known,
        cluster: Cluster::new(options),
    };
    let making = tokio::spawn(async move {
        let outcome = (change.run)(task).await;
        log_made(from, change, &what, &outcome);
        outcome
    });
    let ended = making.await;
    let outcome = ended.unwrap_or_else(|_| Err(Fault::Silence("the change broke off".to_owned())));
    if matches!(outcome, Ok(Outcome::Done { .. })) {
        let _ = tokio::time::timeout(CATCH_UP, catch_up(pages)).await;
    }
    outcome
}

/// Waits until this node knows what the cluster has agreed on so far. Another node may have answered the change, and
/// the page that is shown next is made by this one.
async fn catch_up(pages: &Pages) {
    let stage = pages.node.stage();
    let Stage::Serving(serving) = &*stage else {
        return;
    };
    let Ok(address) = &serving.address else {
        return;
    };
    let Ok(quorum) = survey::quorum(address).await else {
        return;
    };
    let mut acted_on = serving.parts.metadata.offset();
    // It ends otherwise only when the node stops.
    let _ = acted_on
        .wait_for(|offset| offset.0 + 1 >= quorum.high_watermark)
        .await;
}

/// What is known of the cluster, with what the change needs beside it.
async fn known(pages: &Pages, change: &Change, form: &Form) -> Result<Known, ()> {
    match &*pages.node.stage() {
        Stage::Serving(serving) => Ok(pages.known(serving, (change.detail)(form)).await),
        Stage::Starting | Stage::Stopping => Err(()),
    }
}

fn answer(
    pages: &Pages,
    change: &'static Change,
    (asked, actor): (&Asked, &Actor),
    (outcome, typed, known): (Result<Outcome, Fault>, Form, &Known),
) -> Response {
    if asked.wants_json() {
        let (status, told) = told(change, outcome);
        return asked.json(status, &told);
    }
    let Actor::Session { cookie, form_token } = actor else {
        // A program that did not say what it wants is told in JSON as well.
        let (status, told) = told(change, outcome);
        return asked.json(status, &told);
    };
    let titles = (change.title, change.place);
    match outcome {
        Ok(Outcome::Done {
            sentence, place, ..
        }) => login::see_other(&pages.login.with_notice(cookie, &place, sentence)),
        Ok(Outcome::Preview { shown, form, .. }) => {
            let sent = (form_token.as_str(), Sent::Previewed(&shown));
            let content = page::form(change, known, &form, sent);
            asked.form(StatusCode::OK, titles, Some(known.node_id), &content)
        }
        Err(fault) => {
            let content = page::form(change, known, &typed, (form_token, Sent::Refused(&fault)));
            asked.form(fault.status(), titles, Some(known.node_id), &content)
        }
    }
}

/// What programs are told.
fn told(change: &Change, outcome: Result<Outcome, Fault>) -> (StatusCode, Value) {
    match outcome {
        Ok(Outcome::Done {
            sentence,
            place,
            mut told,
        }) => {
            told["done"] = json!(sentence);
            told["see"] = json!(place);
            (StatusCode::OK, told)
        }
        Ok(Outcome::Preview { told, .. }) => (StatusCode::OK, told),
        Err(fault) => {
            let code = match &fault {
                Fault::Refused { code, .. } => Some(code.name()),
                Fault::Wrong { .. } | Fault::Silence(_) => None,
            };
            let text = fault.sentence(change);
            let told = json!({ "error": text, "field": fault.field(), "code": code });
            (fault.status(), told)
        }
    }
}

fn read(headers: &HeaderMap, bytes: &Bytes) -> Result<Form, (StatusCode, String)> {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.and_then(|it| it.to_str().ok()).unwrap_or_default();
    match kind.split(';').next().unwrap_or_default().trim() {
        "application/x-www-form-urlencoded" => Ok(Form::of_pairs(&String::from_utf8_lossy(bytes))),
        "application/json" => Form::of_json(bytes).map_err(|text| (StatusCode::BAD_REQUEST, text)),
        _ => {
            let text = "A change is sent as application/json, or as a form of these pages.";
            Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, text.to_owned()))
        }
    }
}

/// A change in JSON: its fields.
fn described(change: &Change) -> Value {
    let fields = change.fields.iter().map(|it| {
        json!({ "name": it.name, "label": it.label, "help": it.help, "required": it.is_required })
    });
    json!({
        "title": change.title,
        "about": change.about,
        "fields": fields.collect::<Vec<Value>>(),
    })
}

/// What a log line says of a form: no values that may be secret, or long.
fn summary(change: &Change, form: &Form) -> String {
    let told = change.fields.iter().filter(|it| it.is_logged());
    let told = told.map(|it| (it.name, form.text(it.name)));
    let told = told.chain([("step", form.text("step"))]);
    let told = told.filter(|(_, value)| !value.is_empty());
    let told: Vec<String> = told
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    told.join(" ")
}

fn log_made(from: Option<IpAddr>, change: &Change, what: &str, outcome: &Result<Outcome, Fault>) {
    let Some(suppressed) = MADE.pass() else {
        return;
    };
    let result = match outcome {
        Ok(Outcome::Done { sentence, .. }) => sentence.clone(),
        Ok(Outcome::Preview { .. }) => "shown what it would do".to_owned(),
        Err(fault) => fault.sentence(change),
    };
    let (from, what, result) = (shown(from), Untrusted(what), Untrusted(&result));
    tracing::info!(%from, change = change.path, %what, %result, suppressed, "a change by the admin pages");
}

fn log_refused(from: Option<IpAddr>, change: &Change, why: &str) {
    if let Some(suppressed) = REFUSED.pass() {
        let (from, why) = (shown(from), Untrusted(why));
        tracing::warn!(%from, change = change.path, %why, suppressed, "the admin pages refused a change");
    }
}

fn shown(from: Option<IpAddr>) -> String {
    from.map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
}
