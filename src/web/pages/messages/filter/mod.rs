//! Which messages somebody wants to see: a small language of tests on what a message has.
//!
//! ```text
//! key == "a" and value contains "x"
//! value.user.id > 5 or not header.source exists
//! value ~ "^error" and offset >= 100 and timestamp < "2026-01-31T12:00:00Z"
//! ```
//!
//! A filter costs little whatever it says: its text, its depth and its patterns are bounded, patterns take time
//! in proportion to what they look at, and neither JSON nor patterns look beyond [`LOOKED_AT`] of a value.

mod lex;
mod matches;
mod parse;

use regex::bytes::Regex;

pub(in crate::web::pages) use matches::Candidate;

/// The longest text of a filter, in bytes.
pub(in crate::web::pages) const LONGEST: usize = 1_000;
/// How deep parentheses and negations may lie in each other.
const DEEPEST: usize = 32;
/// The most memory that one pattern may take when it is made, in bytes.
const PATTERN_BYTES: usize = 128 << 10;
/// How much of a key, value or header a pattern looks at, and the longest that is read as JSON, in bytes.
pub(in crate::web::pages) const LOOKED_AT: usize = 256 << 10;

/// A filter.
#[derive(Clone, Debug)]
pub(in crate::web::pages) struct Filter(Node);

/// Why a text is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::web::pages) struct Misread {
    /// The letter at which it goes wrong, from 0 on; behind the last one where something is missing.
    pub(in crate::web::pages) at: usize,
    /// What is wrong.
    pub(in crate::web::pages) message: String,
}

#[derive(Clone, Debug)]
enum Node {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Test(Subject, Relation),
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Key(Vec<Step>),
    Value(Vec<Step>),
    Header(String),
    Number(Field),
}

/// A number that each message has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Offset,
    Partition,
    Timestamp,
    Size,
}

/// A step into JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(usize),
}

#[derive(Clone, Debug)]
enum Relation {
    Compare(Comparison, Literal),
    /// A pattern; `contains` is one as well.
    Matches(Regex),
    StartsWith(String),
    EndsWith(String),
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Clone, Debug, PartialEq)]
enum Literal {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
}

impl Filter {
    /// Reads a filter; `None` for an empty text.
    ///
    /// # Errors
    /// It is none, or exceeds a bound.
    pub(in crate::web::pages) fn read(text: &str) -> Result<Option<Self>, Misread> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        parse::filter(text).map(|node| Some(Self(node)))
    }

    /// Whether a message is wanted.
    pub(in crate::web::pages) fn takes(&self, candidate: &Candidate<'_>) -> bool {
        self.0.takes(candidate)
    }
}

#[cfg(test)]
mod tests;
