//! The table of keys against Kafka's own facts, and the config from file, environment and command
//! line to typed views and DescribeConfigs.

mod alter;
mod command;
mod describe;
mod java;
mod load;
mod rules;
mod table;
mod topics;
mod views;

use broker::config::Settings;

/// Settings as a file would give them.
fn settings(pairs: &[(&str, &str)]) -> Settings {
    pairs
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect()
}
