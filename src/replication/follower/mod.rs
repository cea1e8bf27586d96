//! Fetches from leaders what this broker's replicas lack (KIP-101, 227, 279, 320, 903).
//!
//! Owns: which partition is fetched from which leader, and a thread for each leader and number below
//! `num.replica.fetchers`; another one for what is behind, as long as something is (`lane`). Handed: the table of partitions, to whose logs it does what the leader's answers
//! say; the directories, which sync these logs and keep their checkpoints. Invariant: what is done to a log
//! names the leader epoch in which it was fetched, and the partition itself refuses what is late.
//!
//! The files, each of which uses only those before it: `session`: what the leader knows of the requests
//! before; `lane`: what is behind; `following`: one partition; `work`: what is asked for and to be done;
//! `request`: that as messages; `fetcher`: decides it, for one lane to a leader; `postponed`: what is tried again later. Of the
//! drivers, `logs_driver` does work on logs, `link_driver` is the connection, `fetcher_driver` the thread that
//! `inbox_driver` tells of changes, `pool_driver` has all threads, and `followers_driver` says who is followed.

mod fetcher;
mod fetcher_driver;
mod followers_driver;
mod following;
mod inbox_driver;
mod lane;
mod link_driver;
mod logs_driver;
mod pool_driver;
mod postponed;
mod request;
mod session;
mod work;

pub use fetcher::Fetcher;
pub use fetcher_driver::{Desk, Flow};
pub use followers_driver::Followers;
pub use inbox_driver::{Change, Inbox};
pub use lane::{GiveAway, Given, Lane, LaneChange};
pub use logs_driver::Logs;
pub use pool_driver::core_settings;
#[cfg(test)]
pub use work::Outcome;
pub use work::{Act, Found, LeaderLog, Next, Search, Work};

#[cfg(test)]
mod tests;
