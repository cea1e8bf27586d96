//! Somebody who has logged in, and programs, that change something by the pages.

use std::fmt::Write as _;

use broker::model::{Offset, Timestamp};
use broker::protocol::messages::produce::{PartitionProduceData, ProduceRequest, TopicProduceData};
use broker::records::{BatchBuilder, NewRecord};
use serde_json::Value;

use crate::browser::{Answer, get, post};
use crate::voice::{ask_at, wait_for};

/// What the nodes of these tests ask for.
pub const PASSWORD: &str = "opensesame";
/// `admin:opensesame`
pub const RIGHT: &str = "Authorization: Basic YWRtaW46b3BlbnNlc2FtZQ==";
/// `admin:wrong`
pub const WRONG: &str = "Authorization: Basic YWRtaW46d3Jvbmc=";
pub const HTML: &str = "Accept: text/html,application/xhtml+xml";
pub const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
pub const JSON: [&str; 3] = [
    "Accept: application/json",
    "Content-Type: application/json",
    "X-Requested-By: test",
];

/// A session of a browser, at one node.
pub struct Session {
    pub address: String,
    /// The header with its cookie.
    pub cookie: String,
}

impl Session {
    /// Logs in.
    pub fn begin(address: &str) -> Self {
        let answer = log_in(address, PASSWORD);
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = answer.header("set-cookie").expect("a cookie");
        let pair = cookie.split(';').next().expect("split yields one");
        Self {
            address: address.to_owned(),
            cookie: format!("Cookie: {pair}"),
        }
    }

    /// A page.
    pub fn get(&self, path: &str) -> Answer {
        get(&self.address, path, &[&self.cookie, HTML])
    }

    /// The token that the forms of this session have.
    pub fn token(&self) -> String {
        let page = self.get("/change/create-topic");
        assert_eq!(page.status, 200, "{page:?}");
        token_in(&page.body)
    }

    /// Sends a form, with its token; the answer as it comes.
    pub fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let token = self.token();
        let mut all = vec![("form_token", token.as_str())];
        all.extend_from_slice(fields);
        let headers = [self.cookie.as_str(), HTML, FORM];
        post(&self.address, path, &headers, &encoded(&all))
    }

    /// Sends a form that is accepted; the page that it leads to.
    pub fn change(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let answer = self.send(path, fields);
        assert_eq!(answer.status, 303, "{path}: {answer:?}");
        let page = self.get(answer.header("location").expect("a page"));
        assert!(page.body.contains("verdict good notice"), "{page:?}");
        page
    }
}

/// The token in a page with a form.
pub fn token_in(page: &str) -> String {
    let (_, rest) = page
        .split_once("name=\"form_token\" value=\"")
        .unwrap_or_else(|| panic!("no form in {page}"));
    rest.split('"').next().expect("split yields one").to_owned()
}

/// Sends the form with a password.
pub fn log_in(address: &str, password: &str) -> Answer {
    let body = encoded(&[("password", password), ("next", "/topics")]);
    post(address, "/login", &[HTML, FORM], &body)
}

/// Asks for a change as a program does.
pub fn order(address: &str, path: &str, body: &Value) -> Answer {
    let headers = [JSON[0], JSON[1], JSON[2], RIGHT];
    post(address, path, &headers, &body.to_string())
}

/// Asks for a change as a program does, and gets it.
pub fn ordered(address: &str, path: &str, body: &Value) -> Value {
    let answer = order(address, path, body);
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.json()
}

/// The fields of a form as they are sent.
pub fn encoded(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        if !text.is_empty() {
            text.push('&');
        }
        let _ = write!(text, "{name}=");
        for byte in value.bytes() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Writes so many records to a partition.
pub fn fill(address: &str, (topic, partition): (&str, i32), count: i64) {
    let mut builder = BatchBuilder::new(Offset(0));
    for number in 0..count {
        builder.append(NewRecord {
            timestamp: Timestamp(1_000 + number),
            key: None,
            value: Some(&[b'x'; 100]),
            headers: &[],
        });
    }
    let request = ProduceRequest {
        acks: -1,
        timeout_ms: 10_000,
        topic_data: vec![TopicProduceData {
            name: topic.to_owned().into(),
            partition_data: vec![PartitionProduceData {
                index: partition,
                records: Some(builder.build()),
            }],
            ..TopicProduceData::default()
        }],
        ..ProduceRequest::default()
    };
    wait_for("a batch to be taken", || {
        let answer = ask_at(address, &request, 9)?;
        let code = answer.responses[0].partition_responses[0].error_code;
        (!code.is_error()).then_some(())
    });
}
