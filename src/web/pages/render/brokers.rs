//! Brokers, one broker, log directories.

use maud::{Markup, html};

use super::configs;
use crate::web::pages::frame::{bytes, card, count, maybe, number, plain_head, tag, text, unknown};
use crate::web::pages::view::brokers::{
    Broker, BrokerState, Brokers, DirectoryRow, LogDirectories, OneBroker,
};

/// The brokers.
pub(in crate::web::pages) fn brokers(it: &Brokers) -> Markup {
    let columns = [
        text("Broker", ""),
        text("State", ""),
        text("Rack", ""),
        text("Addresses", ""),
        number("Leaders", ""),
        number("Replicas", ""),
        number("Not in sync", ""),
        number("Logs", ""),
        text("Disk", ""),
    ];
    html! {
        div.wide { table {
            (plain_head(&columns))
            tbody {
                @for broker in &it.brokers {
                    tr {
                        th scope="row" { a href={ "/brokers/" (broker.id) } { (broker.id) } }
                        td.nowrap { (state(broker)) }
                        td.nowrap { (maybe(broker.rack.clone(), |rack| rack)) }
                        td { @for address in &broker.addresses { div { code { (address) } } } }
                        td.n { (count(broker.leaders)) }
                        td.n { (count(broker.replicas)) }
                        td.n { (missing(broker.out_of_sync)) }
                        td.n { (maybe(broker.bytes, bytes)) }
                        td.nowrap {
                            @for directory in &broker.directories { div { (disk(directory)) } }
                            @if broker.directories.is_empty() { (unknown()) }
                        }
                    }
                }
            }
        } }
        @for broker in &it.brokers {
            @if let Some(why) = &broker.trouble {
                p.note { "Broker " (broker.id) ": " (why) }
            }
        }
    }
}

fn missing(number: usize) -> Markup {
    match number {
        0 => html! { "0" },
        _ => tag("warn", &count(number)),
    }
}

fn state(broker: &Broker) -> Markup {
    let (level, word) = match broker.state {
        BrokerState::Serving => ("good", "serving"),
        BrokerState::Drained => ("warn", "drained"),
        BrokerState::Stopping => ("warn", "stopping"),
        BrokerState::Fenced => ("bad", "fenced"),
    };
    let is_silent = broker.state != BrokerState::Fenced && broker.trouble.is_some();
    html! {
        (tag(level, word))
        @if broker.is_controller { (tag("", "active controller")) }
        @if is_silent { (tag("warn", "no answer")) }
    }
}

fn disk(directory: &DirectoryRow) -> Markup {
    if directory.error.is_some() {
        return tag("bad", "offline");
    }
    match (directory.disk_bytes, directory.free_bytes) {
        (Some(total), Some(free)) => {
            let used = total.saturating_sub(free);
            let percent = used.saturating_mul(100).checked_div(total).unwrap_or(0);
            html! {
                progress max="100" value=(percent) aria-label="used" {}
                (percent) "% of " (bytes(total))
            }
        }
        _ => unknown(),
    }
}

/// One broker.
pub(in crate::web::pages) fn one(it: &OneBroker) -> Markup {
    let broker = &it.broker;
    let sync = if broker.out_of_sync > 0 { "warn" } else { "" };
    html! {
        p { (state(broker)) @if let Some(rack) = &broker.rack { " rack " (rack) } }
        @if let Some(why) = &broker.trouble { p.note { "Some of it is not known: " (why) } }
        dl.cards {
            (card("Leaders", &count(broker.leaders), "partitions led", ""))
            (card("Replicas", &count(broker.replicas), "leaders included", ""))
            (card("Not in sync", &count(broker.out_of_sync), "replicas", sync))
            (card("Logs", &broker.bytes.map_or("–".to_owned(), bytes), "on its disks", ""))
        }
        h2 { "Addresses" }
        @for address in &broker.addresses { div { code { (address) } } }
        h2 { "Log directories" }
        (directories(&broker.directories))
        @let form = format!("/change/broker-config?broker={}&name=", broker.id);
        (configs(&it.configs, it.configs_trouble.as_deref(), &form))
    }
}

fn directories(all: &[DirectoryRow]) -> Markup {
    let columns = [
        text("Broker", ""),
        text("Directory", ""),
        text("State", ""),
        number("Replicas", ""),
        number("Logs", ""),
        text("Disk", ""),
        number("Free", ""),
    ];
    if all.is_empty() {
        return html! { p.note { "None is known." } };
    }
    html! {
        div.wide { table {
            (plain_head(&columns))
            tbody {
                @for it in all {
                    tr {
                        td { a href={ "/brokers/" (it.broker) } { (it.broker) } }
                        td.value { code { (it.path) } }
                        td.nowrap {
                            @if let Some(why) = &it.error { (tag("bad", why)) }
                            @else { (tag("good", "online")) }
                            @if it.is_cordoned { (tag("warn", "cordoned")) }
                        }
                        td.n { (count(it.replicas)) }
                        td.n { (bytes(it.log_bytes)) }
                        td.nowrap { (disk(it)) }
                        td.n { (maybe(it.free_bytes, bytes)) }
                    }
                }
            }
        } }
    }
}

/// The log directories of all brokers.
pub(in crate::web::pages) fn log_directories(it: &LogDirectories) -> Markup {
    html! {
        (directories(&it.directories))
        @for (broker, why) in &it.missing { p.note { "Broker " (broker) ": " (why) } }
    }
}
