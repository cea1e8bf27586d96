//! Each page as HTML, made of its data. Whatever is put in is escaped.

pub(super) mod brokers;
pub(super) mod groups;
pub(super) mod moves;
pub(super) mod overview;
pub(super) mod topics;

use maud::{Markup, html};

use super::frame::{plain_head, tag, text};
use super::query::encoded;
use super::survey::{Config, ConfigSource};
use super::view::partitions::PartitionCounts;

/// How a topic or partition is, in a word or two.
fn state(counts: &PartitionCounts) -> Markup {
    let all = [
        (counts.offline, "bad", "offline"),
        (
            counts.under_min_isr.saturating_sub(counts.offline),
            "bad",
            "under min ISR",
        ),
        (
            counts
                .under_replicated
                .saturating_sub(counts.under_min_isr.max(counts.offline)),
            "warn",
            "under-replicated",
        ),
        (counts.reassigning, "", "reassigning"),
    ];
    let is_one = counts.partitions == 1;
    html! {
        @if all[..3].iter().all(|it| it.0 == 0) { (tag("good", "in sync")) }
        @for (number, level, word) in all {
            @if number > 0 && is_one { (tag(level, word)) }
            @else if number > 0 { (tag(level, &format!("{number} {word}"))) }
        }
    }
}

/// How a group is.
fn group_state(state: &str) -> Markup {
    let level = match state {
        "Stable" => "good",
        "Dead" => "bad",
        "PreparingRebalance" | "CompletingRebalance" | "Assigning" | "Reconciling" => "warn",
        _ => "",
    };
    tag(level, state)
}

/// The configs of a topic or broker, those that somebody has set first. The form to change one is at the address
/// that `form` begins.
fn configs(configs: &[Config], trouble: Option<&str>, form: &str) -> Markup {
    html! {
        h2 { "Configs" }
        @if let Some(why) = trouble { p.note { "They are not known: " (why) } }
        @if !configs.is_empty() {
            div.wide { table {
                (plain_head(&[text("Name", ""), text("Value", ""), text("Source", ""), text("", "")]))
                tbody {
                    @for config in configs {
                        tr {
                            th scope="row" title=[config.documentation.as_deref()] { (config.name) }
                            td.value {
                                @if config.is_secret { span.soft { "hidden" } }
                                @else if let Some(value) = &config.value { code { (value) } }
                                @else { span.soft { "unset" } }
                            }
                            td { (source(config.source)) }
                            td.n {
                                @if !config.is_read_only {
                                    a href={ (form) (encoded(&config.name)) } aria-label={ "Edit " (config.name) } {
                                        "Edit"
                                    }
                                }
                            }
                        }
                    }
                }
            } }
        }
    }
}

/// Where a value comes from.
pub(super) fn source(source: ConfigSource) -> Markup {
    match source {
        ConfigSource::Topic => tag("set", "this topic"),
        ConfigSource::Broker => tag("set", "this broker"),
        ConfigSource::Cluster => tag("set", "all brokers"),
        ConfigSource::File => tag("", "file or environment"),
        ConfigSource::Default => html! { span.soft { "default" } },
    }
}
