//! What two answers differ in, field by field.

use std::collections::{BTreeMap, BTreeSet};

use super::accepted::{ACCEPTED, Accepted};

/// A case in which the answers differ.
pub struct Difference {
    pub api: &'static str,
    pub version: i16,
    pub case: String,
    pub lines: Vec<Line>,
}

/// A field with both values.
pub struct Line {
    pub field: String,
    pub ours: String,
    pub apache: String,
}

impl Difference {
    /// Whether all of it is meant.
    pub fn is_accepted(&self) -> bool {
        self.lines
            .iter()
            .all(|line| self.covering(line).next().is_some())
    }

    /// The accepted differences that a line is one of, by their places.
    pub fn covering(&self, line: &Line) -> impl Iterator<Item = usize> {
        let values = (line.ours.as_str(), line.apache.as_str());
        let covers = move |(place, accepted): (usize, &Accepted)| {
            accepted
                .covers(self.api, &self.case, &line.field, values)
                .then_some(place)
        };
        ACCEPTED.iter().enumerate().filter_map(covers)
    }
}

/// The fields that are not the same. Of an element that only one of the answers has, its name.
pub fn differing(ours: Vec<(String, String)>, apache: Vec<(String, String)>) -> Vec<Line> {
    if ours == apache {
        return Vec::new();
    }
    let (our_elements, apache_elements) = (elements(&ours), elements(&apache));
    let ours: BTreeMap<String, String> = ours.into_iter().collect();
    let apache: BTreeMap<String, String> = apache.into_iter().collect();
    let mut lines: BTreeMap<String, (String, String)> = BTreeMap::new();
    for (field, value) in &ours {
        if apache.get(field) != Some(value) {
            let (field, ours) = only(field, value, &apache_elements);
            let apache = apache.get(&field).map_or(ABSENT, String::as_str);
            lines.insert(field, (ours, apache.to_owned()));
        }
    }
    for (field, value) in apache
        .iter()
        .filter(|(field, _)| !ours.contains_key(*field))
    {
        let (field, apache) = only(field, value, &our_elements);
        lines.insert(field, (ABSENT.to_owned(), apache));
    }
    let lines = lines.into_iter();
    lines
        .map(|(field, (ours, apache))| Line {
            field,
            ours,
            apache,
        })
        .collect()
}

const ABSENT: &str = "(absent)";

/// The elements of arrays that the fields are in, by their paths.
fn elements(fields: &[(String, String)]) -> BTreeSet<String> {
    let paths = fields.iter().flat_map(|(field, _)| prefixes(field));
    paths.map(str::to_owned).collect()
}

fn prefixes(field: &str) -> impl Iterator<Item = &str> {
    field.match_indices(']').map(|(end, _)| &field[..=end])
}

/// A field that differs, or the outermost element around it that the other answer does not have.
fn only(field: &str, value: &str, others: &BTreeSet<String>) -> (String, String) {
    match prefixes(field).find(|prefix| !others.contains(*prefix)) {
        // A plain value is its own element.
        Some(element) if element != field => (element.to_owned(), "(there)".to_owned()),
        _ => (field.to_owned(), value.to_owned()),
    }
}
