//! What differs between two runs and says nothing: addresses, ids, the time of day, and which node has what,
//! which is chance. And what is meant to differ between the brokers.

use std::ops::RangeInclusive;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Configs of topics that Apache Kafka 4.3.1 does not have: those of 4.4, and our own limit.
const NEWER_CONFIGS: [&str; 4] = [
    "errors.deadletterqueue.group.enable",
    "max.decompressed.message.bytes",
    "remote.copy.lag.bytes",
    "remote.copy.lag.ms",
];

/// The ids of nodes; no other number of a story is one of them.
pub const NODES: RangeInclusive<i32> = 1001..=1003;

/// A time within this of now is the time of day.
const TODAY: Duration = Duration::from_secs(86_400);
const UUID_LENGTH: usize = 36;

/// The lines of `printed` by a client of the broker at `bootstrap`, without what is no fact.
pub fn facts(printed: &str, bootstrap: &str) -> Vec<String> {
    let port = bootstrap.rsplit(':').next().expect("a port");
    let is_newer = |line: &str| {
        line.strip_prefix("config: ").is_some_and(|config| {
            NEWER_CONFIGS
                .iter()
                .any(|name| config.starts_with(&format!("{name} ")))
        })
    };
    printed
        .lines()
        .filter(|line| !is_newer(line))
        .map(|line| masked(line, port))
        .collect()
}

fn masked(line: &str, port: &str) -> String {
    let is_in_word = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    let mut masked = String::with_capacity(line.len());
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !is_in_word(c)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        masked.push_str(&word_masked(word, port));
        let gap = behind.find(is_in_word).unwrap_or(behind.len());
        let (between, next) = behind.split_at(gap);
        masked.push_str(between);
        rest = next;
    }
    masked
}

fn word_masked(word: &str, port: &str) -> String {
    if word == port {
        return "PORT".to_owned();
    }
    if word.starts_with("127.") && word.split('.').count() == 4 {
        return "HOST".to_owned();
    }
    if word.parse().is_ok_and(|number| NODES.contains(&number)) {
        return "NODE".to_owned();
    }
    if word.parse().is_ok_and(is_today) {
        return "TIME".to_owned();
    }
    let uuid_at = word.len().saturating_sub(UUID_LENGTH);
    match word.get(uuid_at..) {
        Some(tail) if is_uuid(tail) => format!("{}ID", &word[..uuid_at]),
        _ => word.to_owned(),
    }
}

/// Whether `millis` is a time of about now.
fn is_today(millis: u64) -> bool {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is after 1970");
    now.abs_diff(Duration::from_millis(millis)) < TODAY
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12])
        && parts
            .iter()
            .all(|part| part.chars().all(|c| c.is_ascii_hexdigit()))
}
