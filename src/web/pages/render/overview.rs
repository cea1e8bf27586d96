//! The overview, and the metadata quorum.

use maud::{Markup, html};

use crate::web::pages::frame::{
    ago, bytes, card, count, maybe, number, plain_head, rate, sentence, signed, tag, text,
};
use crate::web::pages::view::overview::Overview;
use crate::web::pages::view::quorum::QuorumView;
use crate::web::pages::view::verdict::{Level, Verdict};

/// The overview.
pub(in crate::web::pages) fn overview(it: &Overview) -> Markup {
    let partitions = &it.partitions;
    let bad = |number: usize| if number > 0 { "bad" } else { "" };
    let warn = |number: usize| if number > 0 { "warn" } else { "" };
    let away = it.brokers - it.brokers_serving;
    let controller = match it.controller {
        Some(id) => format!("active controller: {id}"),
        None => "no active controller known".to_owned(),
    };
    let written = it.records_per_second.map_or("–".to_owned(), rate);
    let elsewhere = format!(
        "{} not at their preferred leader",
        count(partitions.not_preferred)
    );
    html! {
        (verdict(&it.verdict))
        dl.cards {
            (card("Brokers serving", &format!("{} of {}", it.brokers_serving, it.brokers), &controller, warn(away)))
            (card("Topics", &count(it.topics), "internal ones included", ""))
            (card("Partitions", &count(partitions.partitions), &elsewhere, ""))
            (card("Groups", &count(it.groups), &format!("{} records behind", signed(it.lag)), ""))
            (card("Written", &written, "records, all topics", ""))
            (card("On disk", &bytes(it.bytes), "all replicas", ""))
        }
        h2 { "Partitions" }
        dl.cards {
            (card("Offline", &count(partitions.offline), "no leader", bad(partitions.offline)))
            (card("Under min ISR", &count(partitions.under_min_isr), "acks=all is refused", bad(partitions.under_min_isr)))
            (card("At min ISR", &count(partitions.at_min_isr), "can spare no other", warn(partitions.at_min_isr)))
            (card("Under-replicated", &count(partitions.under_replicated), "replicas not in sync", warn(partitions.under_replicated)))
            (card("Reassigning", &count(partitions.reassigning), "replicas on their way", ""))
        }
        p.note { "Cluster " code { (it.cluster_id) } ", metadata version " (it.metadata_version) }
    }
}

fn verdict(verdict: &Verdict) -> Markup {
    let class = match verdict.level {
        Level::Good => "good",
        Level::Warn => "warn",
        Level::Bad => "bad",
    };
    html! {
        section class={ "verdict " (class) } aria-label="Verdict" {
            p { (verdict.sentence) }
            @if !verdict.reasons.is_empty() {
                ul {
                    @for reason in &verdict.reasons {
                        li { a href=(reason.link) { (reason.text) } }
                    }
                }
            }
        }
    }
}

/// The metadata quorum.
pub(in crate::web::pages) fn quorum(it: &QuorumView) -> Markup {
    if let Some(why) = &it.trouble {
        return sentence(&format!("The metadata quorum does not answer: {why}"));
    }
    let leader = it.leader.map_or("none".to_owned(), |id| id.to_string());
    let voters = it.replicas.iter().filter(|it| it.is_voter).count();
    let columns = [
        text("Node", ""),
        text("Role", ""),
        text("State", ""),
        number("Log end", ""),
        number("Lag", ""),
        number("Last fetch", ""),
        number("Last caught up", ""),
    ];
    html! {
        dl.cards {
            (card("Leader", &leader, "the active controller", if it.leader.is_none() { "bad" } else { "" }))
            (card("Epoch", &it.epoch.map_or("–".to_owned(), |it| it.to_string()), "", ""))
            (card("High watermark", &it.high_watermark.map_or("–".to_owned(), signed), "committed below", ""))
            (card("Voters", &count(voters), &format!("{} observers", it.replicas.len() - voters), ""))
        }
        div.wide { table {
            (plain_head(&columns))
            tbody {
                @for row in &it.replicas {
                    tr {
                        th scope="row" { (row.id) }
                        td { @if row.is_leader { "leader" } @else if row.is_voter { "voter" } @else { "observer" } }
                        td {
                            @if row.follows { (tag("good", if row.is_leader { "leads" } else { "follows" })) }
                            @else { (tag("bad", "not heard of")) }
                        }
                        td.n { (maybe(row.end, signed)) }
                        td.n { (maybe(row.lag, signed)) }
                        td.n { (maybe(row.last_fetch_ms_ago, ago)) }
                        td.n { (maybe(row.last_caught_up_ms_ago, ago)) }
                    }
                }
            }
        } }
    }
}
