//! The pages about messages as HTML. Whatever is in a message is text there.

use maud::{Markup, html};

use super::asked::{From, Reading};
use super::decode::{Form, Message, Shown, ShownHeader};
use super::view::{Messages, Mistake, OneMessage};
use crate::web::pages::frame::{Column, bytes, card, count, number, plain_head, signed, tag, text};
use crate::web::pages::time;
use crate::web::pages::ways::{topic_path, ways};

/// Numbers of messages to choose from.
const LIMITS: [usize; 4] = [20, 50, 100, 500];

fn list_path(topic: &str) -> String {
    format!("{}/messages", topic_path(topic))
}

fn one_path(topic: &str, message: &Message) -> String {
    format!(
        "{}/{}/{}",
        list_path(topic),
        message.partition,
        message.offset
    )
}

/// What stands above the messages: where to begin, and which are wanted.
pub(super) fn tools(
    (topic, partitions): (&str, usize),
    reading: &Reading,
    doings: &Markup,
) -> Markup {
    html! {
        (ways(topic, "/messages"))
        (doings)
        form.tools.ask method="get" action=(list_path(topic)) role="search" {
            label { "From " select name="from" {
                @for (from, name, words) in From::ALL {
                    option value=(name) selected[from == reading.from] { (words) }
                }
            } }
            label { "Offset or time " input type="text" name="at" value=(reading.at) size="20" maxlength="40" autocomplete="off"; }
            (partition_field(partitions, reading))
            (forms(reading))
            label { "Show " select name="limit" {
                @for limit in LIMITS {
                    option value=(limit) selected[limit == reading.limit] { (limit) }
                }
            } }
            label { input type="checkbox" name="uncommitted" value="true" checked[reading.uncommitted]; " also uncommitted" }
            (filter_field(reading))
            button type="submit" { "Read" }
        }
        (filter_help())
    }
}

fn partition_field(partitions: usize, reading: &Reading) -> Markup {
    let last = partitions.saturating_sub(1);
    html! {
        label { "Partition " input type="number" name="partition" min="0" max=(last) placeholder="all"
            value=[reading.partition]; }
    }
}

fn forms(reading: &Reading) -> Markup {
    html! {
        @for (name, label, chosen) in [("key", "Keys as ", reading.key), ("value", "Values as ", reading.value)] {
            label { (label) select name=(name) {
                @for form in Form::ALL {
                    option value=(form.name()) selected[form == chosen] { (form.name()) }
                }
            } }
        }
    }
}

fn filter_field(reading: &Reading) -> Markup {
    html! {
        input.filter type="search" name="filter" value=(reading.filter) maxlength="1000" autocomplete="off" spellcheck="false"
            aria-label="Filter" placeholder="Filter, as: key == \"a\" and value.user.id > 5";
    }
}

fn filter_help() -> Markup {
    html! {
        details.help {
            summary { "How to write a filter" }
            p {
                code { "key" } ", " code { "value" } ", " code { "header.name" } ", " code { "offset" } ", " code { "partition" } ", "
                code { "timestamp" } " and " code { "size" } " are compared by " code { "== != < <= > >=" } "; texts also by "
                code { "contains" } ", " code { "startswith" } ", " code { "endswith" } " and " code { "~" } " (a regular expression). "
                "JSON is looked into by a path: " code { "value.items[0].name == \"x\"" } ". "
                code { "exists" } " stands behind a name. Tests are joined by " code { "and" } ", " code { "or" } ", "
                code { "not" } " and parentheses. Times are written as " code { "\"2026-01-31T12:00:00Z\"" } "."
            }
        }
    }
}

/// The messages.
pub(super) fn list(it: &Messages, reading: &Reading) -> Markup {
    html! {
        @if let Some(mistake) = &it.mistake { (mistaken(mistake, reading)) }
        @for trouble in &it.troubles { p.note.bad { (trouble) } }
        @if it.mistake.is_none() { (table(it, reading)) }
    }
}

fn mistaken(mistake: &Mistake, reading: &Reading) -> Markup {
    html! {
        div.verdict.bad role="alert" {
            p { (mistake.message) }
            @if let Some(at) = mistake.at {
                @let before: String = reading.filter.chars().take(at).collect();
                @let after: String = reading.filter.chars().skip(at).collect();
                pre.place { (before) mark { @if after.is_empty() { " " } @else { (after) } } }
            }
        }
    }
}

/// The columns of messages, in a list and in the tail.
fn columns() -> [Column; 6] {
    [
        number("Partition", ""),
        number("Offset", ""),
        text("Time (UTC)", ""),
        text("Key", ""),
        text("Value", ""),
        number("Size", ""),
    ]
}

fn table(it: &Messages, reading: &Reading) -> Markup {
    html! {
        @if it.messages.is_empty() {
            p.note { @if it.is_bounded { "None was found so far." } @else { "There is no such message." } }
        } @else {
            div.wide { table.messages {
                (plain_head(&columns()))
                tbody { @for message in &it.messages { (row(&it.topic, message, reading)) } }
            } }
        }
        (ending(it, reading))
    }
}

fn row(topic: &str, message: &Message, reading: &Reading) -> Markup {
    let path = reading.at_cursor(None).link(&one_path(topic, message));
    html! {
        tr {
            td.n { (message.partition) }
            td.n { a href=(path) { (message.offset) } }
            td.nowrap { (time::shown(message.timestamp)) }
            td.value { (part(&message.key)) }
            td.value {
                (part(&message.value))
                @if message.value.is_cut { a href=(path) { "the whole" } }
                @if !message.headers.is_empty() {
                    div.headers {
                        @for header in &message.headers { (header_tag(header)) }
                        @if message.headers_left_out > 0 { span.soft { "and " (message.headers_left_out) " more" } }
                    }
                }
            }
            td.n { (bytes(message.bytes as u64)) @if message.compression != "none" { br; span.soft { (message.compression) } } }
        }
    }
}

fn header_tag(header: &ShownHeader) -> Markup {
    html! {
        span.tag title="header" { (header.name) ": " @if header.value.form == "null" { "null" } @else { (header.value.text) } }
    }
}

/// A key or value.
fn part(it: &Shown) -> Markup {
    html! {
        @match it.form {
            "null" => { span.soft { "null" } },
            _ if it.bytes == 0 => { span.soft { "empty" } },
            form => {
                pre { (it.text) @if it.is_cut { span.soft { "…" } } }
                @if form != "text" && form != "json" { span.soft.form { (form) } }
            },
        }
    }
}

/// How far it looked, and the way on.
fn ending(it: &Messages, reading: &Reading) -> Markup {
    let path = list_path(&it.topic);
    let cursor = Reading::of(&format!(
        "cursor={}",
        it.next.as_deref().unwrap_or_default()
    ))
    .cursor;
    let looked = &it.looked;
    html! {
        nav.pages aria-label="Further messages" {
            @if reading.cursor.is_some() { a href=(reading.at_cursor(None).link(&path)) rel="first" { "← First" } }
            @if let Some(cursor) = cursor {
                @let word = if it.is_bounded { "Look further →" } else { "Next →" };
                a #next href=(reading.at_cursor(Some(cursor)).link(&path)) rel="next" { (word) }
            } @else { span { "This is the end." } }
            span {
                "Looked at " (count(usize::try_from(looked.records).unwrap_or(usize::MAX))) " messages, "
                (bytes(looked.bytes)) ", in " (looked.milliseconds) " ms"
                @if it.is_bounded { ", as much as one page may" } "."
            }
            a href=(reading.link(&format!("{path}.jsonl"))) download { "Download (JSON lines)" }
        }
    }
}

/// One message.
pub(super) fn one(it: &OneMessage) -> Markup {
    let message = &it.message;
    let path = one_path(&it.topic, message);
    let moment = time::shown(message.timestamp);
    let (date, time) = moment.split_once(' ').unwrap_or((&moment, "–"));
    let who = match message.timestamp_type {
        "create" => "by its producer",
        _ => "by the broker",
    };
    let beside = |offset: i64| format!("{}/{}/{offset}", list_path(&it.topic), message.partition);
    html! {
        (ways(&it.topic, "/messages"))
        (it.doings)
        dl.cards {
            (card("Partition", &message.partition.to_string(), "", ""))
            (card("Offset", &signed(message.offset), "", ""))
            (card("Time (UTC)", time, &format!("{date}, {who}"), ""))
            (card("Size", &bytes(message.bytes as u64), &format!("compression: {}", message.compression), ""))
        }
        nav.pages aria-label="Messages beside it" {
            @if message.offset > 0 { a href=(beside(message.offset - 1)) rel="prev" { "← Offset " (message.offset - 1) } }
            a href=(beside(message.offset + 1)) rel="next" { "Offset " (message.offset + 1) " →" }
        }
        form.tools method="get" action=(path) { (forms(&it.reading)) button type="submit" { "Show" } }
        (whole("Key", "key", &message.key, &path))
        (whole("Value", "value", &message.value, &path))
        h2 { "Headers" }
        @if message.headers.is_empty() { p.note { "It has none." } }
        @else {
            div.wide { table {
                (plain_head(&[text("Name", ""), text("Value", "")]))
                tbody { @for header in &message.headers {
                    tr { th scope="row" { (header.name) } td.value { (part(&header.value)) } }
                } }
            } }
            @if message.headers_left_out > 0 { p.note { "There are " (message.headers_left_out) " more." } }
        }
    }
}

fn whole(title: &str, name: &str, it: &Shown, path: &str) -> Markup {
    html! {
        h2 { (title) " " (tag("", it.form)) }
        @if it.form == "null" { p.note { "There is none: it is null." } }
        @else {
            @if it.bytes == 0 { p.note { "It is empty." } }
            @else { pre.whole tabindex="0" { (it.text) } }
            p.note {
                (bytes(it.bytes as u64)) @if it.is_cut { ", of which the first are shown" } ". "
                a href={ (path) "/" (name) } download { "Download it as it is" }
            }
        }
    }
}

/// What stands above the live tail.
pub(super) fn tail_tools(topic: &str, partitions: usize, reading: &Reading) -> Markup {
    html! {
        (ways(topic, "/live"))
        form.tools.ask method="get" action={ (topic_path(topic)) "/live" } role="search" {
            (partition_field(partitions, reading))
            (forms(reading))
            label { input type="checkbox" name="uncommitted" value="true" checked[reading.uncommitted]; " also uncommitted" }
            (filter_field(reading))
            button type="submit" { "Follow" }
        }
        (filter_help())
    }
}

/// The live tail: a script puts what comes into the table.
pub(super) fn tail(
    topic: &str,
    reading: &Reading,
    (events, mistake): (&str, Option<&Mistake>),
) -> Markup {
    html! {
        @if let Some(mistake) = mistake { (mistaken(mistake, reading)) }
        @else {
            div #tail data-events=(events) data-messages=(list_path(topic)) {
                p.tools {
                    button #pause type="button" aria-pressed="false" { "Pause" }
                    span #following.note role="status" { "Waiting for messages. This needs the page's script." }
                }
                div.wide { table.messages {
                    (plain_head(&columns()))
                    tbody #arrived {}
                } }
            }
        }
    }
}
