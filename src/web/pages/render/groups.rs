//! Groups, and one group.

use maud::{Markup, html};

use super::group_state;
use crate::web::pages::frame::{
    card, count, head, listed, maybe, nothing, number, parts, plain_head, search, signed, text,
    unknown,
};
use crate::web::pages::query::{Query, encoded};
use crate::web::pages::view::groups::{GroupRow, Groups, MemberRow, OffsetRow, OneGroup};

const PATH: &str = "/groups";
const ONE_PATH: &str = "/group";

/// What stands above the list.
pub(in crate::web::pages) fn tools(query: &Query) -> Markup {
    search(PATH, query, &nothing())
}

/// The list.
pub(in crate::web::pages) fn groups(it: &Groups, query: &Query) -> Markup {
    let columns = [
        text("Group", "id"),
        text("State", "state"),
        number("Members", "members"),
        number("Topics", "topics"),
        number("Lag", "lag"),
        number("Coordinator", "coordinator"),
    ];
    let rows = &it.part.rows;
    html! {
        @if rows.is_empty() {
            p.note { "There is no such group" @if it.groups > 0 { " among " (count(it.groups)) } "." }
        } @else {
            div.wide { table {
                (head(&columns, PATH, query))
                tbody { @for row in rows { (group(row)) } }
            } }
        }
        (parts(&it.part, PATH, query))
        @if it.left_out > 0 { p.note { (count(it.left_out)) " groups more are not shown." } }
        @if !it.silent.is_empty() {
            p.note { "Groups of these coordinators may be missing, as they have not answered: " (listed(&it.silent)) }
        }
    }
}

fn group(row: &GroupRow) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ (ONE_PATH) "?id=" (encoded(&row.id)) } { (name(&row.id)) } }
            td { (group_state(&row.state)) }
            td.n { (count(row.members)) }
            td.n { (count(row.topics)) }
            td.n { (maybe(row.lag, signed)) }
            td.n { (broker(row.coordinator)) }
        }
    }
}

/// An id may be empty.
fn name(id: &str) -> &str {
    if id.is_empty() { "(empty)" } else { id }
}

fn broker(id: i32) -> Markup {
    html! { a href={ "/brokers/" (id) } { (id) } }
}

/// One group.
pub(in crate::web::pages) fn one(it: &OneGroup, query: &Query) -> Markup {
    let group = &it.group;
    let assignor = if group.assignor.is_empty() {
        "no assignor now"
    } else {
        group.assignor.as_str()
    };
    html! {
        p { (group_state(&group.state)) "coordinated by broker " (broker(group.coordinator)) }
        dl.cards {
            (card("Members", &count(group.members), assignor, ""))
            (card("Topics", &count(group.topics), "read or committed", ""))
            (card("Lag", &group.lag.map_or("–".to_owned(), signed), "records to read", ""))
        }
        h2 { "Members" }
        (members(it))
        h2 { "Offsets" }
        (offsets(it, query))
    }
}

fn members(it: &OneGroup) -> Markup {
    let columns = [
        text("Member", ""),
        text("Client", ""),
        text("Host", ""),
        text("Partitions", ""),
        number("Lag", ""),
    ];
    html! {
        @if it.member_list.is_empty() { p.note { "Nobody is in it." } }
        @else {
            div.wide { table {
                (plain_head(&columns))
                tbody { @for row in &it.member_list { (member(row)) } }
            } }
        }
    }
}

fn member(row: &MemberRow) -> Markup {
    /// More partitions than this are counted.
    const SHOWN: usize = 20;
    let more = row.assigned.len().saturating_sub(SHOWN);
    let shown = row.assigned.iter().take(SHOWN);
    html! {
        tr {
            th scope="row" {
                (row.id)
                @if let Some(instance) = &row.instance { div.soft { "instance " (instance) } }
            }
            td.value { (row.client) }
            td { (row.host) }
            td.value {
                @for partition in shown { span.nowrap { (partition) } " " }
                @if more > 0 { span.soft { "and " (count(more)) " more" } }
                @if row.assigned.is_empty() { (unknown()) }
            }
            td.n { (maybe(row.lag, signed)) }
        }
    }
}

fn offsets(it: &OneGroup, query: &Query) -> Markup {
    let columns = [
        text("Topic", "topic"),
        number("Partition", ""),
        number("Committed", "committed"),
        number("End", "end"),
        number("Lag", "lag"),
        text("Member", "member"),
    ];
    html! {
        @if it.offsets.rows.is_empty() { p.note { "It has committed nothing." } }
        @else {
            div.wide { table {
                (head(&columns, ONE_PATH, query))
                tbody { @for row in &it.offsets.rows { (offset(row)) } }
            } }
        }
        (parts(&it.offsets, ONE_PATH, query))
    }
}

fn offset(row: &OffsetRow) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/topics/" (encoded(&row.topic)) } { (row.topic) } }
            td.n { (row.partition) }
            td.n { (maybe(row.committed, signed)) }
            td.n { (maybe(row.end, signed)) }
            td.n { (maybe(row.lag, signed)) }
            td.value { (maybe(row.member.clone(), |id| id)) }
        }
    }
}
