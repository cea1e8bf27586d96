//! Record batches: what is built reads back, what Kafka wrote is understood, hostile bytes fail.

mod generated;
mod golden;
mod hostile;
mod mutation;
mod oracle;
mod replicated;
mod support;
mod validation;
