//! `/openapi.json`: what the pages answer as JSON, for programs.

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// Pages: path, what they tell, and the parameters that they take.
const PAGES: [(&str, &str, &[Parameter]); 9] = [
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
    let paths: serde_json::Map<String, Value> = paths.collect();
    json!({
        "openapi": "3.1.0",
        "info": { "title": "broker", "version": env!("CARGO_PKG_VERSION") },
        "components": { "securitySchemes": { "password": { "type": "http", "scheme": "basic" } } },
        "security": [{}, { "password": [] }],
        "paths": paths,
    })
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
