//! Topics, and one topic.

use maud::{Markup, html};

use super::{configs, group_state, state};
use crate::web::pages::frame::{
    bytes, card, count, head, listed, maybe, number, parts, plain_head, rate, search, signed, tag,
    text,
};
use crate::web::pages::query::{Query, encoded};
use crate::web::pages::view::topics::{OneTopic, PartitionRow, TopicRow, Topics};
use crate::web::pages::ways::ways;

const PATH: &str = "/topics";

/// What stands above the list.
pub(in crate::web::pages) fn tools(query: &Query) -> Markup {
    let other = Query {
        internal: !query.internal,
        page: 1,
        ..query.clone()
    };
    let word = if query.internal {
        "Hide internal topics"
    } else {
        "Show internal topics"
    };
    search(PATH, query, &html! { a href=(other.link(PATH)) { (word) } })
}

/// The list.
pub(in crate::web::pages) fn topics(it: &Topics, query: &Query) -> Markup {
    let columns = [
        text("Topic", "name"),
        text("State", "state"),
        number("Partitions", "partitions"),
        number("Replicas", "replicas"),
        number("Records", "records"),
        number("Written", "rate"),
        number("Lag", "lag"),
        number("Size", "size"),
    ];
    let rows = &it.part.rows;
    html! {
        @if rows.is_empty() {
            p.note { "There is no such topic" @if it.topics > 0 { " among " (count(it.topics)) } "." }
        } @else {
            div.wide { table {
                (head(&columns, PATH, query))
                tbody { @for row in rows { (topic(row)) } }
            } }
        }
        (parts(&it.part, PATH, query))
    }
}

fn topic(row: &TopicRow) -> Markup {
    html! {
        tr {
            th scope="row" {
                a href={ (PATH) "/" (encoded(&row.name)) } { (row.name) }
                @if row.is_internal { " " (tag("", "internal")) }
            }
            td.nowrap { (state(&row.counts)) }
            td.n { (count(row.counts.partitions)) }
            td.n { (row.replication_factor) }
            td.n { (maybe(row.ends, signed)) }
            td.n { (maybe(row.records_per_second, rate)) }
            td.n { (maybe(row.lag, signed)) }
            td.n { (maybe(row.bytes, bytes)) }
        }
    }
}

/// One topic.
pub(in crate::web::pages) fn one(it: &OneTopic, query: &Query) -> Markup {
    let topic = &it.topic;
    let path = format!("{PATH}/{}", encoded(&topic.name));
    html! {
        (ways(&topic.name, ""))
        p { (state(&topic.counts)) @if topic.is_internal { (tag("", "internal")) } }
        dl.cards {
            (card("Partitions", &count(topic.counts.partitions), &format!("{} replicas each", topic.replication_factor), ""))
            (card("Min ISR", &it.min_isr.to_string(), "replicas for acks=all", ""))
            (card("Records", &topic.ends.map_or("–".to_owned(), signed), "written so far", ""))
            (card("Written", &topic.records_per_second.map_or("–".to_owned(), rate), "records", ""))
            (card("Size", &topic.bytes.map_or("–".to_owned(), bytes), "all replicas", ""))
            (card("Lag", &topic.lag.map_or("–".to_owned(), signed), "all groups", ""))
        }
        h2 { "Partitions" }
        (partitions(it, &path, query))
        h2 { "Groups" }
        (groups(it))
        @let form = format!("/change/topic-config?topic={}&name=", encoded(&topic.name));
        (configs(&it.configs, it.configs_trouble.as_deref(), &form))
        p.note { "Topic id " code { (it.id) } }
    }
}

fn partitions(it: &OneTopic, path: &str, query: &Query) -> Markup {
    let columns = [
        text("Partition", "partition"),
        text("State", "state"),
        number("Leader", "leader"),
        text("Replicas", ""),
        text("In sync", ""),
        text("Eligible (ELR)", ""),
        number("First offset", "start"),
        number("End offset", "end"),
        number("Size", "size"),
    ];
    html! {
        div.wide { table {
            (head(&columns, path, query))
            tbody { @for row in &it.partition_part.rows { (partition(row)) } }
        } }
        (parts(&it.partition_part, path, query))
    }
}

fn partition(row: &PartitionRow) -> Markup {
    let leader = |id: i32| html! { a href={ "/brokers/" (id) } { (id) } };
    html! {
        tr {
            th scope="row" { (row.partition) }
            td.nowrap { (state(&row.counts)) }
            td.n { @if let Some(id) = row.leader { (leader(id)) } @else { (tag("bad", "none")) } }
            td.nowrap { (listed(&row.replicas)) }
            td.nowrap { (listed(&row.isr)) }
            td.nowrap { (listed(&row.elr)) }
            td.n { (maybe(row.start, signed)) }
            td.n { (maybe(row.end, signed)) }
            td.n { (maybe(row.bytes, bytes)) }
        }
    }
}

fn groups(it: &OneTopic) -> Markup {
    let columns = [
        text("Group", ""),
        text("State", ""),
        number("Members that read it", ""),
        number("Lag", ""),
    ];
    html! {
        @if it.groups.is_empty() { p.note { "No group reads it, as far as is known." } }
        @else {
            div.wide { table {
                (plain_head(&columns))
                tbody {
                    @for group in &it.groups {
                        tr {
                            th scope="row" { a href={ "/group?id=" (encoded(&group.id)) } { (group.id) } }
                            td { (group_state(&group.state)) }
                            td.n { (count(group.readers)) }
                            td.n { (maybe(group.lag, signed)) }
                        }
                    }
                }
            } }
        }
    }
}
