//! Who asks: somebody with a session, begun with the password in a form (`/login`) and ended by `/logout`; a
//! program that tells the password with each request; or, on loopback, anybody, who may look and change nothing.

mod sessions;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::{Markup, html};
use parking_lot::Mutex;

use super::Pages;
use super::answer::Asked;
use super::changes::{Form, TOKEN, is_ours};
use super::query::encoded;
use crate::config::{AdminConfig, NodeConfig, is_same};
use crate::telemetry::LogGate;
use crate::web::gate::{Ends, Gate, Refused, told_password};
use sessions::{Secret, Sessions};

/// Where the form is, and where a session is ended.
pub(super) const LOGIN: &str = "/login";
pub(super) const LOGOUT: &str = "/logout";
/// The parameter of a page that names a notice of its session.
pub(super) const NOTICE: &str = "notice";

/// The most bytes of the form.
const MOST_BYTES: usize = 16 << 10;
const TOO_MANY: &str = "There were too many wrong passwords from this address. Wait a little.";

static WRONG: LogGate = LogGate::of_many(20);

/// Lets in who has told the password.
pub(super) struct Login {
    gate: Gate,
    sessions: Mutex<Sessions>,
    /// The cookie's name: nodes of one machine have one each, as browsers don't tell ports apart.
    cookie: String,
}

/// Somebody who may change something.
pub(super) enum Actor {
    /// A program, which tells the password with each request.
    Program,
    /// Whoever has this session, whose forms carry this token.
    Session { cookie: String, form_token: String },
}

impl Login {
    /// Asks for what the config says.
    pub(super) fn new(admin: &AdminConfig, node: &NodeConfig) -> Self {
        Self {
            gate: Gate::new(admin),
            sessions: Mutex::default(),
            cookie: format!("broker-session-{}", node.node_id),
        }
    }

    /// Checks that the pages may be shown to who asks.
    ///
    /// # Errors
    /// There is no password in the request and no session, and it comes from elsewhere.
    pub(super) fn check(&self, request: &Request, asked: &mut Asked) -> Result<(), Refused> {
        let now = Instant::now();
        if let Some((cookie, form_token)) = self.session(request.headers(), now) {
            let number = asked.parameter(NOTICE).and_then(|it| it.parse().ok());
            let notice = number.and_then(|it| self.sessions.lock().notice(&cookie, it, now));
            asked.notice = notice;
            asked.form_token = Some(form_token);
            return Ok(());
        }
        self.gate.check(ends(request), request.headers(), now)
    }

    /// Who it is that wants to change something.
    ///
    /// # Errors
    /// There is no password in the request and no session.
    pub(super) fn actor(&self, request: &Request) -> Result<Actor, Refused> {
        let now = Instant::now();
        if let Some((cookie, form_token)) = self.session(request.headers(), now) {
            return Ok(Actor::Session { cookie, form_token });
        }
        let told = told_password(request.headers());
        self.gate.prove(ends(request), told.as_deref(), now)?;
        Ok(Actor::Program)
    }

    /// Begins a session for who has told the right password; what the cookie is set to.
    ///
    /// # Errors
    /// It is not the right one, or there were too many wrong ones.
    pub(super) fn begin(&self, ends: Option<Ends>, told: &str) -> Result<String, Refused> {
        let now = Instant::now();
        self.gate.prove(ends, Some(told), now)?;
        let token = self.sessions.lock().begin([chance(), chance()], now);
        Ok(self.set_cookie(&token))
    }

    /// Ends a session; what the cookie is set to.
    pub(super) fn end(&self, cookie: &str) -> String {
        self.sessions.lock().end(cookie);
        let mut gone = self.set_cookie("");
        gone.push_str("; Max-Age=0");
        gone
    }

    /// The address of a page that shows a sentence to who has this session.
    pub(super) fn with_notice(&self, cookie: &str, path: &str, sentence: String) -> String {
        let noted = self.sessions.lock().note(cookie, sentence, Instant::now());
        let mut address = path.to_owned();
        if let Some(number) = noted {
            let before = if path.contains('?') { '&' } else { '?' };
            let _ = write!(address, "{before}{NOTICE}={number}");
        }
        address
    }

    /// The session that a request belongs to: its cookie, and the token of its forms.
    fn session(&self, headers: &HeaderMap, now: Instant) -> Option<(String, String)> {
        let cookie = self.told_cookie(headers)?;
        // What a page asks by itself, to be up to date, is no use of a session.
        let uses = !headers.contains_key(header::IF_NONE_MATCH);
        let form_token = self.sessions.lock().form_token(cookie, uses, now)?;
        Some((cookie.to_owned(), form_token))
    }

    fn told_cookie<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        let lines = headers.get_all(header::COOKIE).iter();
        let mut pairs = lines
            .filter_map(|it| it.to_str().ok())
            .flat_map(|it| it.split(';'));
        pairs.find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            (name == self.cookie).then_some(value)
        })
    }

    fn set_cookie(&self, token: &str) -> String {
        let name = &self.cookie;
        format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict")
    }
}

/// The page with the form.
pub(super) async fn show(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let asked = Asked::of(&request);
    match pages.login.actor(&request) {
        Err(refused @ (Refused::NoPassword | Refused::Unreadable)) => asked.refused(&refused),
        _ => {
            let next = asked.parameter("next").unwrap_or_default();
            page(&asked, StatusCode::OK, &next, None)
        }
    }
}

/// Begins a session.
pub(super) async fn log_in(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let asked = Asked::of(&request);
    if !is_ours(&request) {
        return asked.error(StatusCode::FORBIDDEN, "This form is not one of this node.");
    }
    let ends = ends(&request);
    let Some(form) = read(request).await else {
        return asked.error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "This is more than the form holds.",
        );
    };
    let next = next_page(form.text("next"));
    match pages.login.begin(ends, form.exactly("password")) {
        Ok(cookie) => {
            let headers = [
                (header::SET_COOKIE, cookie),
                (header::LOCATION, next.to_owned()),
            ];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        Err(refused) => {
            if let Some(suppressed) = WRONG.pass() {
                let from = ends.and_then(Ends::peer);
                tracing::warn!(
                    ?from,
                    ?refused,
                    suppressed,
                    "nobody was let in by the form of the admin pages"
                );
            }
            let (status, why) = match refused {
                Refused::Wrong => (StatusCode::UNAUTHORIZED, "This is not the password."),
                Refused::TooMany(_) => (StatusCode::TOO_MANY_REQUESTS, TOO_MANY),
                refused => return asked.refused(&refused),
            };
            page(&asked, status, next, Some(why))
        }
    }
}

/// Ends a session.
pub(super) async fn log_out(State(pages): State<Arc<Pages>>, request: Request) -> Response {
    let asked = Asked::of(&request);
    let session = pages.login.session(request.headers(), Instant::now());
    let (Some((cookie, form_token)), true) = (session, is_ours(&request)) else {
        return see_other("/");
    };
    let told = read(request).await.unwrap_or_default();
    if !is_same(told.text(TOKEN).as_bytes(), form_token.as_bytes()) {
        return asked.error(
            StatusCode::FORBIDDEN,
            "This form is not one of this session.",
        );
    }
    let headers = [
        (header::SET_COOKIE, pages.login.end(&cookie)),
        (header::LOCATION, "/".to_owned()),
    ];
    (StatusCode::SEE_OTHER, headers).into_response()
}

fn page(asked: &Asked, status: StatusCode, next: &str, trouble: Option<&str>) -> Response {
    asked.form(status, ("Log in", ""), None, &form(next, trouble))
}

async fn read(request: Request) -> Option<Form> {
    let bytes = to_bytes(request.into_body(), MOST_BYTES).await.ok()?;
    Some(Form::of_pairs(&String::from_utf8_lossy(&bytes)))
}

/// The ends of the connection that a request came on.
pub(super) fn ends(request: &Request) -> Option<Ends> {
    request.extensions().get::<Ends>().copied()
}

fn chance() -> Secret {
    let mut bytes = Secret::default();
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    bytes
}

/// Where to log in before a page is shown.
pub(super) fn to_login(asked: &Asked) -> Response {
    let next = encoded(&asked.target);
    see_other(&format!("{LOGIN}?next={next}"))
}

/// An answer that sends a browser on.
pub(super) fn see_other(address: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, address)]).into_response()
}

/// The page to go to after logging in: one of this node, and the first one if it is anything else.
fn next_page(named: &str) -> &str {
    let is_ours = named.starts_with('/') && !named.starts_with("//") && !named.contains('\\');
    let is_plain = named.bytes().all(|byte| byte.is_ascii_graphic());
    if is_ours && is_plain { named } else { "/" }
}

/// The form in which the password is told.
fn form(next: &str, trouble: Option<&str>) -> Markup {
    html! {
        @if let Some(trouble) = trouble { div.verdict.bad role="alert" { p { (trouble) } } }
        form.change method="post" action=(LOGIN) {
            input type="hidden" name="next" value=(next);
            input type="text" name="user" value="admin" autocomplete="username" hidden;
            div.field {
                label for="password" { "Password" }
                input #password type="password" name="password" autocomplete="current-password" required autofocus
                    maxlength="1000";
                p.note { "It is " code { "admin.password" } " of this node's config." }
            }
            div.buttons { button.main type="submit" { "Log in" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_after_logging_in_is_one_of_this_node() {
        for (named, is) in [
            ("/topics?q=a%20b", "/topics?q=a%20b"),
            ("", "/"),
            ("topics", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: b=c", "/"),
            ("/\t/evil.example", "/"),
        ] {
            assert_eq!(next_page(named), is, "{named:?}");
        }
    }
}
