//! Partitions that move.

use maud::{Markup, html};

use crate::web::pages::frame::{bytes, count, listed, number, plain_head, text, unknown};
use crate::web::pages::query::encoded;
use crate::web::pages::view::moves::{MoveRow, Moves};

/// The moves that are under way.
pub(in crate::web::pages) fn moves(it: &Moves) -> Markup {
    let columns = [
        text("Partition", ""),
        text("Replicas", ""),
        text("New", ""),
        text("Going", ""),
        text("Copied", ""),
        number("", ""),
    ];
    html! {
        @if it.moves.is_empty() {
            p.note { "No partition moves." }
        } @else {
            div.wide { table {
                (plain_head(&columns))
                tbody { @for row in &it.moves { (one(row)) } }
            } }
            @if it.moving > it.moves.len() {
                p.note { "And " (count(it.moving - it.moves.len())) " more." }
            }
        }
    }
}

fn one(row: &MoveRow) -> Markup {
    let topic = encoded(&row.topic);
    html! {
        tr {
            th scope="row" { a href={ "/topics/" (topic) } { (row.topic) } "-" (row.partition) }
            td.nowrap { (listed(&row.replicas)) }
            td.nowrap { (listed(&row.adding)) }
            td.nowrap { (listed(&row.removing)) }
            td.nowrap { (progress(row)) }
            td.n {
                a href={ "/change/cancel-moves?topic=" (topic) } aria-label={ "Cancel the moves of " (row.topic) } {
                    "Cancel"
                }
            }
        }
    }
}

fn progress(row: &MoveRow) -> Markup {
    let (Some(copied), Some(wanted)) = (row.copied_bytes, row.wanted_bytes) else {
        return unknown();
    };
    let percent = copied
        .saturating_mul(100)
        .checked_div(wanted)
        .unwrap_or(100);
    html! {
        progress max="100" value=(percent) aria-label="copied" {}
        (bytes(copied)) " of " (bytes(wanted))
    }
}
