//! The ways between the pages of one topic.

use maud::{Markup, html};

use super::query::encoded;

/// The pages of a topic: what stands behind its address, and their name.
const WAYS: [(&str, &str); 3] = [
    ("", "Topic"),
    ("/messages", "Messages"),
    ("/live", "Live tail"),
];

/// The address of a topic.
pub(super) fn topic_path(topic: &str) -> String {
    format!("/topics/{}", encoded(topic))
}

/// The ways from the page that is `here`.
pub(super) fn ways(topic: &str, here: &str) -> Markup {
    html! {
        nav.ways aria-label="Topic" {
            @for (path, name) in WAYS {
                @let current = (path == here).then_some("page");
                a href={ (topic_path(topic)) (path) } aria-current=[current] { (name) }
            }
        }
    }
}
