//! Fetches from leaders what this broker's replicas lack (KIP-101, 227, 279, 320, 903).
//!
//! Owns: which partition is fetched from which leader, and a thread for each leader and number below
//! `num.replica.fetchers`. Handed: the table of partitions, to whose logs it does what the leader's answers
//! say; the directories, which sync these logs and keep their checkpoints. Invariant: what is done to a log
//! names the leader epoch in which it was fetched, and the partition itself refuses what is late.
//!
//! The files, each of which uses only those before it: `session`: what the leader knows of the requests
//! before; `following`: one partition; `work`: what is asked for and to be done; `request`: that as messages;
//! `fetcher`: decides it, for one leader. The drivers carry it out.

mod fetcher;
mod following;
mod request;
mod session;
mod work;

#[cfg(test)]
mod tests;
