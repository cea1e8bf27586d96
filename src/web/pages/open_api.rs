//! `/openapi.json`: what the pages answer as JSON, for programs.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::changes::{CHANGES, Change, Field, Kind};

/// Pages: path, what they tell, and the parameters that they take.
const PAGES: [(&str, &str, &[Parameter]); 18] = [
    (
        "/",
        "The cluster at a glance, with a verdict and its reasons",
        &[],
    ),
    (
        "/topics",
        "Topics, searched and sorted",
        &[Q, SORT, ORDER, PAGE, ROWS, INTERNAL],
    ),
    (
        "/topics/{name}",
        "One topic: partitions, groups that read it, configs",
        &[NAME, SORT, ORDER, PAGE, ROWS],
    ),
    (
        "/groups",
        "Groups, searched and sorted",
        &[Q, SORT, ORDER, PAGE, ROWS],
    ),
    (
        "/group",
        "One group: members, offsets, lag",
        &[ID, SORT, ORDER, PAGE, ROWS],
    ),
    ("/brokers", "Brokers", &[]),
    (
        "/brokers/{id}",
        "One broker: log directories, configs",
        &[BROKER],
    ),
    ("/log-dirs", "The log directories of all brokers", &[]),
    ("/quorum", "The metadata quorum", &[]),
    ("/moves", "Partitions that move to other brokers", &[]),
    (
        "/topics/{name}/messages",
        "Messages from a place on, with the cursor of the next page",
        &[
            NAME,
            FROM,
            AT,
            PARTITION,
            FILTER,
            LIMIT,
            UNCOMMITTED,
            KEY,
            VALUE,
            CURSOR,
        ],
    ),
    (
        "/topics/{name}/messages.jsonl",
        "Whole messages as lines of JSON; the header `Link` leads to more",
        &[NAME, FROM, AT, PARTITION, FILTER, UNCOMMITTED, CURSOR],
    ),
    (
        "/topics/{name}/messages/{partition}/{offset}",
        "One message",
        &[NAME, IN_PARTITION, OFFSET, KEY, VALUE],
    ),
    (
        "/topics/{name}/messages/{partition}/{offset}/{part}",
        "The bytes of its `key` or `value`",
        &[NAME, IN_PARTITION, OFFSET, PART],
    ),
    (
        "/topics/{name}/live",
        "Where the live tail of a topic is",
        &[NAME, PARTITION, FILTER, UNCOMMITTED, KEY, VALUE],
    ),
    (
        "/topics/{name}/live/events",
        "Messages as they come, as server-sent events: `messages` has some of them as JSON, and how many were left out",
        &[NAME, PARTITION, FILTER, UNCOMMITTED, KEY, VALUE],
    ),
    (
        "/events",
        "Server-sent events: `look` when a page that was loaded is out of date",
        &[],
    ),
    ("/charts", "The last hour of this node in numbers", &[]),
];

/// A parameter: its name, where it stands, its type, and what it is.
type Parameter = (&'static str, &'static str, &'static str, &'static str);

const Q: Parameter = ("q", "query", "string", "What names hold");
const SORT: Parameter = ("sort", "query", "string", "The column to sort by");
const ORDER: Parameter = ("order", "query", "string", "`desc` for the largest first");
const PAGE: Parameter = (
    "page",
    "query",
    "integer",
    "The part of the table, from 1 on",
);
const ROWS: Parameter = ("rows", "query", "integer", "Rows of each part, up to 1000");
const INTERNAL: Parameter = (
    "internal",
    "query",
    "boolean",
    "Whether internal topics are told",
);
const FROM: Parameter = (
    "from",
    "query",
    "string",
    "`end` (backwards), `beginning`, `offset` or `time`",
);
const AT: Parameter = ("at", "query", "string", "The offset or time to begin at");
const PARTITION: Parameter = (
    "partition",
    "query",
    "integer",
    "One partition; all without it",
);
const FILTER: Parameter = (
    "filter",
    "query",
    "string",
    "Which are wanted, as `key == \"a\" and value.user.id > 5`",
);
const LIMIT: Parameter = (
    "limit",
    "query",
    "integer",
    "Messages of each page, up to 500",
);
const UNCOMMITTED: Parameter = (
    "uncommitted",
    "query",
    "boolean",
    "Whether those of open and aborted transactions are told as well",
);
const KEY: Parameter = (
    "key",
    "query",
    "string",
    "How keys are read: `auto`, `text`, `json`, `hex`, `i32`, `i64`, `uuid`",
);
const VALUE: Parameter = ("value", "query", "string", "How values are read, as `key`");
const CURSOR: Parameter = ("cursor", "query", "string", "The `next` of the page before");
const IN_PARTITION: Parameter = ("partition", "path", "integer", "The partition");
const OFFSET: Parameter = ("offset", "path", "integer", "The offset in it");
const PART: Parameter = ("part", "path", "string", "`key` or `value`");
const NAME: Parameter = ("name", "path", "string", "The topic's name");
const ID: Parameter = ("id", "query", "string", "The group's id");
const BROKER: Parameter = ("id", "path", "integer", "The broker's `node.id`");

/// The description. There is nothing of a cluster in it.
pub(super) async fn describe() -> Response {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, description().to_string()).into_response()
}

fn description() -> Value {
    let paths = PAGES.iter().map(|(path, summary, parameters)| {
        let parameters: Vec<Value> = parameters.iter().map(parameter).collect();
        let operation = json!({
            "summary": summary,
            "parameters": parameters,
            "responses": {
                "200": {
                    "description": "JSON to who accepts `application/json`, else HTML",
                    "content": { "application/json": { "schema": { "type": "object" } } },
                },
                "401": { "description": "The password is missing or wrong" },
                "403": { "description": "No password is set, or the host is not known" },
                "404": { "description": "There is no such thing" },
                "503": { "description": "The node is starting or stopping" },
            },
        });
        ((*path).to_owned(), json!({ "get": operation }))
    });
    let changes = CHANGES
        .iter()
        .map(|it| (it.path.to_owned(), json!({ "post": change(it) })));
    let paths: serde_json::Map<String, Value> = paths.chain(changes).collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "broker", "version": env!("CARGO_PKG_VERSION") },
        "components": { "securitySchemes": { "password": { "type": "http", "scheme": "basic" } } },
        "security": [{}, { "password": [] }],
        "paths": paths,
    })
}

/// What a program sends to change something.
fn change(change: &Change) -> Value {
    let steps: Vec<&str> = change.steps.iter().map(|(step, _)| *step).collect();
    let default = steps.first();
    let step = json!({ "type": "string", "enum": steps, "default": default });
    let fields = change
        .fields
        .iter()
        .map(|it| (it.name.to_owned(), field(it)));
    let properties: serde_json::Map<String, Value> =
        fields.chain([("step".to_owned(), step)]).collect();
    let required = change.fields.iter().filter(|it| it.is_required);
    let required: Vec<&str> = required.map(|it| it.name).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let answer = |description: &str| json!({ "description": description });
    json!({
        "summary": change.title,
        "description": change.about,
        "security": [{ "password": [] }],
        "parameters": [{
            "name": "X-Requested-By",
            "in": "header",
            "required": true,
            "description": "Any value: pages of others can't send it with a browser",
            "schema": { "type": "string" },
        }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": schema } } },
        "responses": {
            "200": answer("It is done, or shown what it would do"),
            "400": answer("A field holds what it can't hold"),
            "401": answer("The password is missing or wrong"),
            "403": answer("No password is set, nothing may be changed, or the request is of another page"),
            "409": answer("The cluster refuses"),
            "429": answer("There were too many wrong passwords"),
            "504": answer("Nobody has answered: it may have been done"),
        },
    })
}

fn field(it: &Field) -> Value {
    let text = json!({ "type": "string" });
    let mut schema = match it.kind {
        Kind::Number | Kind::Broker => json!({ "type": "integer" }),
        Kind::Check => json!({ "type": "boolean" }),
        Kind::Choice(choices) => {
            let sent: Vec<&str> = choices.iter().map(|(sent, _)| *sent).collect();
            json!({ "type": "string", "enum": sent })
        }
        Kind::Lines => json!({ "oneOf": [
            text,
            { "type": "array", "items": text },
            { "type": "object", "additionalProperties": text },
        ] }),
        Kind::Subject | Kind::Text | Kind::Value => text,
    };
    schema["description"] = json!(format!("{}. {}", it.label, it.help).trim());
    schema
}

fn parameter((name, place, kind, description): &Parameter) -> Value {
    json!({
        "name": name,
        "in": place,
        "required": *place == "path" || *name == "id",
        "description": description,
        "schema": { "type": kind },
    })
}
