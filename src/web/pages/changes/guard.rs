//! What a request has to show before it may change anything: that it was not sent by a page of somebody else
//! with the browser of somebody who may.
//!
//! PURE.

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

use crate::config::is_same;
use crate::web::pages::login::Actor;

/// The field of a form that holds the token of its session, and the header that stands for it.
pub(in crate::web::pages) const TOKEN: &str = "form_token";
/// Programs send this header, with any value: a page of somebody else can't without asking first.
pub(super) const REQUESTED_BY: &str = "x-requested-by";
const FETCH_SITE: &str = "sec-fetch-site";

/// Why a request changes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It comes from a page of somebody else.
    Origin,
    /// It has not the token of its session.
    Token,
    /// A program's request lacks its header.
    Header,
}

impl Foreign {
    /// The sentence for it.
    pub(super) fn sentence(&self) -> &'static str {
        match self {
            Self::Origin => {
                "Nothing was changed: the request comes from another page than one of this node."
            }
            Self::Token => {
                "Nothing was changed: the form is not of this session. Open it again, and send it then."
            }
            Self::Header => {
                "Nothing was changed: programs have to send the header X-Requested-By, with any value."
            }
        }
    }
}

/// Checks that what a browser says of where a request comes from names a page of this node.
pub(in crate::web::pages) fn is_ours(request: &Request) -> bool {
    let headers = request.headers();
    let site = headers.get(FETCH_SITE).map(|it| it.as_bytes());
    let origin = headers
        .get(header::ORIGIN)
        .map(|it| it.to_str().unwrap_or_default());
    matches!(site, None | Some(b"same-origin" | b"none"))
        && origin.is_none_or(|origin| is_host(origin, &host(request)))
}

/// Where a request is sent to: with an absolute target its authority, else its `Host`.
fn host(request: &Request) -> Option<Authority> {
    let told = request.headers().get(header::HOST);
    let told = || told.and_then(|it| Authority::try_from(it.as_bytes()).ok());
    request.uri().authority().cloned().or_else(told)
}

/// Whether an origin is a page of this host, whatever passes its requests on to plain HTTP.
fn is_host(origin: &str, host: &Option<Authority>) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else {
        return false;
    };
    let is_web = matches!(origin.scheme_str(), Some("http" | "https"));
    let of_origin = origin.authority().map(|it| it.as_str());
    let of_host = host.as_ref().map(Authority::as_str);
    is_web && of_origin.is_some() && of_origin == of_host
}

/// Checks that a request of an actor has what pages of somebody else can't have. `told` is the token in the form.
pub(super) fn check(headers: &HeaderMap, actor: &Actor, told: &str) -> Result<(), Foreign> {
    match actor {
        Actor::Program if headers.contains_key(REQUESTED_BY) => Ok(()),
        Actor::Program => Err(Foreign::Header),
        Actor::Session { form_token, .. } => {
            let in_header = headers.get("x-form-token").map(|it| it.as_bytes());
            let told = in_header.unwrap_or(told.as_bytes());
            let is_right = is_same(told, form_token.as_bytes());
            is_right.then_some(()).ok_or(Foreign::Token)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().method("POST").uri("/change/x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_request_of_another_page_is_foreign() {
        let host = ("host", "127.0.0.1:9000");
        for (name, value, is) in [
            ("origin", "http://127.0.0.1:9000", true),
            ("origin", "https://127.0.0.1:9000", true),
            ("origin", "http://127.0.0.1:9001", false),
            ("origin", "http://127.0.0.1", false),
            ("origin", "http://evil.example", false),
            ("origin", "http://127.0.0.1:9000.evil.example", false),
            ("origin", "http://x@127.0.0.1:9000", false),
            ("origin", "null", false),
            ("origin", "", false),
            ("origin", "file://127.0.0.1:9000", false),
            (FETCH_SITE, "same-origin", true),
            (FETCH_SITE, "none", true),
            (FETCH_SITE, "same-site", false),
            (FETCH_SITE, "cross-site", false),
            (FETCH_SITE, "", false),
            ("x-other", "", true),
        ] {
            assert_eq!(
                is_ours(&request(&[host, (name, value)])),
                is,
                "{name}: {value}"
            );
        }
        assert!(!is_ours(&request(&[("origin", "http://127.0.0.1:9000")])));
    }

    #[test]
    fn a_session_shows_its_token_and_a_program_its_header() {
        let session = Actor::Session {
            cookie: "c".to_owned(),
            form_token: "token".to_owned(),
        };
        let none = HeaderMap::new();
        let named = request(&[(REQUESTED_BY, "x")]);

        assert_eq!(check(&none, &session, "token"), Ok(()));
        for wrong in ["", "t", "tokentoken", "other"] {
            assert_eq!(
                check(&none, &session, wrong),
                Err(Foreign::Token),
                "{wrong}"
            );
        }
        assert_eq!(check(named.headers(), &session, ""), Err(Foreign::Token));
        assert_eq!(check(named.headers(), &Actor::Program, ""), Ok(()));
        assert_eq!(check(&none, &Actor::Program, "token"), Err(Foreign::Header));
    }
}
