//! A request for a page as pages see it, and what becomes of it: HTML or JSON, with the headers of each.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use maud::Markup;
use serde::Serialize;
use serde_json::{Value, json};

use super::changes::doings;
use super::frame::{Frame, nothing, sentence};
use super::login::to_login;
use super::query::{Query, decoded};
use super::view::Known;
use crate::web::gate::Refused;

/// What browsers may do with a page: load our style, script and icon, ask this node again, and nothing else.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";

/// What was asked for.
pub(super) struct Asked {
    pub(super) path: String,
    /// What stands behind the second slash of the path.
    pub(super) name: String,
    pub(super) query: Query,
    /// The path with all that stands behind it.
    pub(super) target: String,
    /// The token of the forms of the session, if the request has one.
    pub(super) form_token: Option<String>,
    /// What was done by the form that led here.
    pub(super) notice: Option<String>,
    /// Whether nothing may be changed.
    pub(super) is_read_only: bool,
    wants_json: bool,
    wants_html: bool,
    has_cookie: bool,
    /// The ETag that the browser has.
    seen: Option<HeaderValue>,
}

/// What a page says.
pub(super) struct Shown {
    title: String,
    place: &'static str,
    content: Content,
    tools: Option<Markup>,
    is_live: bool,
}

enum Content {
    Html(Markup),
    Json(String),
}

impl Shown {
    /// The same, with this above it.
    pub(super) fn with_tools(self, tools: Markup) -> Self {
        Self {
            tools: Some(tools),
            ..self
        }
    }

    /// The same, which is not renewed.
    pub(super) fn still(self) -> Self {
        Self {
            is_live: false,
            ..self
        }
    }
}

impl Asked {
    /// What a request asks for.
    pub(super) fn of(request: &Request) -> Self {
        let path = request.uri().path();
        let mut parts = path.splitn(3, '/').skip(2);
        Self {
            path: path.to_owned(),
            name: parts.next().map(decoded).unwrap_or_default(),
            query: Query::of(request.uri().query().unwrap_or_default()),
            target: request
                .uri()
                .path_and_query()
                .map_or("/", |it| it.as_str())
                .to_owned(),
            form_token: None,
            notice: None,
            is_read_only: false,
            wants_json: wants_json(request.headers()),
            wants_html: accepted(request.headers()).contains("text/html"),
            has_cookie: request.headers().contains_key(header::COOKIE),
            seen: request.headers().get(header::IF_NONE_MATCH).cloned(),
        }
    }

    /// Whether JSON is wanted.
    pub(super) fn wants_json(&self) -> bool {
        self.wants_json
    }

    /// Whether a browser asks, for somebody to look at.
    pub(super) fn wants_html(&self) -> bool {
        self.wants_html && !self.wants_json
    }

    /// What stands behind the `?` under this name.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let (_, query) = self.target.split_once('?')?;
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .find(|pair| pair.0 == name)
            .map(|pair| decoded(pair.1))
    }

    /// Links to forms, by their names and addresses, where something may be changed.
    pub(super) fn doings(&self, links: &[(&str, String)]) -> Markup {
        if self.is_read_only {
            nothing()
        } else {
            doings(links)
        }
    }

    /// An answer to a program.
    pub(super) fn json(&self, status: StatusCode, told: &Value) -> Response {
        let headers = [(header::CONTENT_TYPE, JSON), (header::VARY, "accept")];
        (status, headers, told.to_string()).into_response()
    }

    /// A page that somebody types in: nothing on it is renewed.
    pub(super) fn form(
        &self,
        status: StatusCode,
        (title, place): (&str, &str),
        node: Option<i32>,
        content: &Markup,
    ) -> Response {
        let frame = Frame {
            title,
            place,
            node,
            tools: None,
            notice: self.notice.as_deref(),
            session: self.form_token.as_deref(),
            is_live: false,
        };
        let headers: [(HeaderName, &str); 4] = [
            (header::CONTENT_TYPE, HTML),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::VARY, "accept"),
            // Without it browsers would not say where the form comes from when it is sent.
            (header::REFERRER_POLICY, "same-origin"),
        ];
        (status, headers, frame.around(content)).into_response()
    }

    /// Shows data as it is wanted: as JSON, or as what `content` makes of it.
    pub(super) fn show<T: Serialize>(
        &self,
        title: &str,
        place: &'static str,
        data: &T,
        content: impl FnOnce() -> Markup,
    ) -> Shown {
        let content = if self.wants_json {
            let text = serde_json::to_string(data);
            Content::Json(
                text.unwrap_or_else(|error| json!({"error": error.to_string()}).to_string()),
            )
        } else {
            Content::Html(content())
        };
        Shown {
            title: title.to_owned(),
            place,
            content,
            tools: None,
            is_live: true,
        }
    }

    /// The answer with a page.
    pub(super) fn answer(&self, known: &Known, shown: Shown) -> Response {
        match shown.content {
            Content::Json(text) => self.with_tag(JSON, text),
            Content::Html(content) => {
                let frame = Frame {
                    title: &shown.title,
                    place: shown.place,
                    node: Some(known.node_id),
                    tools: shown.tools,
                    notice: self.notice.as_deref(),
                    session: self.form_token.as_deref(),
                    is_live: shown.is_live,
                };
                self.with_tag(HTML, frame.around(&content))
            }
        }
    }

    /// An answer that costs nothing to who has it already.
    fn with_tag(&self, kind: &'static str, text: String) -> Response {
        let hash = crc32c::crc32c(text.as_bytes());
        let tag = format!("\"{hash:08x}-{:x}\"", text.len());
        let tag = HeaderValue::from_str(&tag).expect("it is hexadecimal");
        if self.seen.as_ref() == Some(&tag) {
            return (StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response();
        }
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
            (
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(POLICY),
            ),
            (header::VARY, HeaderValue::from_static("accept")),
            (header::ETAG, tag),
        ];
        (headers, text).into_response()
    }

    /// An error, in the same frame.
    pub(super) fn error(&self, status: StatusCode, text: &str) -> Response {
        let reason = status.canonical_reason().unwrap_or("Error");
        let (kind, body) = if self.wants_json {
            (JSON, json!({ "error": text }).to_string())
        } else {
            let frame = Frame {
                title: reason,
                place: "",
                node: None,
                tools: None,
                notice: None,
                session: self.form_token.as_deref(),
                // It goes on by itself once the node serves.
                is_live: status == StatusCode::SERVICE_UNAVAILABLE,
            };
            (HTML, frame.around(&sentence(text)))
        };
        let headers: [(HeaderName, &str); 3] = [
            (header::CONTENT_TYPE, kind),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::VARY, "accept"),
        ];
        (status, headers, body).into_response()
    }

    /// The answer to who may not see the pages.
    pub(super) fn refused(&self, refused: &Refused) -> Response {
        match refused {
            Refused::NoPassword => self.error(
                StatusCode::FORBIDDEN,
                "The pages are shown on loopback addresses alone until there is a password: set \
                 admin.password or admin.password.file (KAFKA_ADMIN_PASSWORD or \
                 KAFKA_ADMIN_PASSWORD_FILE in the environment), and start this node again.",
            ),
            Refused::Unreadable => self.error(
                StatusCode::FORBIDDEN,
                "The file that admin.password.file names could not be read when this node started; \
                 its log says why.",
            ),
            Refused::Wrong if self.wants_html() => to_login(self),
            Refused::Wrong => {
                let mut answer =
                    self.error(StatusCode::UNAUTHORIZED, "The pages need the password.");
                // A page whose session has ended asks by itself: no window shall come up in front of it.
                if !self.has_cookie {
                    let asks =
                        HeaderValue::from_static("Basic realm=\"broker\", charset=\"UTF-8\"");
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, asks);
                }
                answer
            }
            Refused::TooMany(seconds) => {
                let text = "There were too many wrong passwords from this address. Wait a little.";
                let mut answer = self.error(StatusCode::TOO_MANY_REQUESTS, text);
                let headers = answer.headers_mut();
                headers.insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
                answer
            }
        }
    }
}

fn accepted(headers: &HeaderMap) -> &str {
    let accepted = headers.get(header::ACCEPT).and_then(|it| it.to_str().ok());
    accepted.unwrap_or_default()
}

/// Whether JSON is named, and before HTML.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = accepted(headers);
    let json = accepted.find(JSON);
    let html = accepted.find("text/html");
    json.is_some_and(|json| html.is_none_or(|html| json < html))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn asked(uri: &str, accept: &str) -> Asked {
        let request = Request::builder().uri(uri).header(header::ACCEPT, accept);
        Asked::of(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn json_is_for_who_names_it_first() {
        for (accept, is_json) in [
            ("application/json", true),
            ("application/json, text/html;q=0.5", true),
            (
                "text/html,application/xhtml+xml,application/json;q=0.9,*/*;q=0.8",
                false,
            ),
            ("*/*", false),
            ("", false),
        ] {
            assert_eq!(asked("/", accept).wants_json, is_json, "{accept}");
        }
    }

    #[test]
    fn the_name_is_what_stands_behind_the_second_slash() {
        assert_eq!(asked("/topics/a%20b%3C?q=x", "").name, "a b<");
        assert_eq!(asked("/topics", "").name, "");
    }

    #[test]
    fn who_has_it_already_is_sent_nothing() {
        let first = asked("/", "").with_tag(HTML, "x".to_owned());
        let tag = first.headers().get(header::ETAG).unwrap().clone();
        let mut again = asked("/", "");
        again.seen = Some(tag);

        assert_eq!(
            again.with_tag(HTML, "x".to_owned()).status(),
            StatusCode::NOT_MODIFIED
        );
        assert_eq!(
            again.with_tag(HTML, "y".to_owned()).status(),
            StatusCode::OK
        );
    }

    #[test]
    fn errors_are_escaped_and_have_the_policy() {
        for accept in ["text/html", JSON] {
            let answer = asked("/", accept).error(StatusCode::NOT_FOUND, "<script>");
            assert_eq!(answer.headers()[header::CONTENT_SECURITY_POLICY], POLICY);
        }
    }
}
