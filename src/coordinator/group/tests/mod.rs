//! Transcripts: inputs in a row, and every effect of each, as text. Member ids are shown as what
//! stands before the random part, and the number of the JoinGroup that made them.

mod admin;
mod join;
mod leave;
mod load;
mod offsets;
mod pending_offsets;
mod retention;
mod script;
mod static_member;
mod sync;
mod timeouts;
