//! Record batches: what is built reads back, what Kafka wrote is understood, hostile bytes fail.

mod support;
mod validation;
