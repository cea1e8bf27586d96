//! Prometheus's text format, read as Prometheus reads it, and with the rules that it leaves to whoever writes:
//! a family is opened once and whole, no series comes twice, histograms add up.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::{BTreeMap, BTreeSet};

/// The labels of a series.
pub type Labels = BTreeMap<String, String>;

/// What a scrape has.
#[derive(Debug, Default)]
pub struct Scrape {
    /// The type of each family.
    pub types: BTreeMap<String, String>,
    /// All series: name and labels.
    pub series: BTreeMap<(String, Labels), f64>,
}

impl Scrape {
    /// Reads a scrape.
    ///
    /// # Panics
    /// It breaks a rule.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        let (mut helped, mut current) = (BTreeSet::new(), String::new());
        assert!(
            text.is_empty() || text.ends_with('\n'),
            "the last line ends"
        );
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let name = rest.split(' ').next().expect("a name").to_owned();
                assert!(helped.insert(name), "two times: {line}");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                assert!(helped.contains(name), "no help: {line}");
                let before = scrape.types.insert(name.to_owned(), kind.to_owned());
                assert_eq!(before, None, "two times: {line}");
                current = name.to_owned();
            } else {
                assert!(!line.is_empty() && !line.starts_with('#'), "{line:?}");
                let (name, labels, value) = sample(line);
                let family = scrape.family_of(&name);
                assert_eq!(family, current, "not within its family: {line}");
                let before = scrape.series.insert((name, labels), value);
                assert_eq!(before, None, "a series comes twice: {line}");
            }
        }
        scrape.check();
        scrape
    }

    fn family_of(&self, name: &str) -> String {
        if self.types.contains_key(name) {
            return name.to_owned();
        }
        let suffixes = ["_bucket", "_sum", "_count"];
        let stem = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
        let stem = stem.unwrap_or_else(|| panic!("{name} has no type"));
        let kind = self.types.get(stem).map(String::as_str);
        assert!(
            matches!(kind, Some("histogram" | "summary")),
            "{name}: {kind:?}"
        );
        stem.to_owned()
    }

    fn check(&self) {
        let mut buckets: BTreeMap<(String, Labels), Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            let kind = self.types[&self.family_of(name)].as_str();
            if kind == "counter" {
                assert!(name.ends_with("_total"), "{name} is a counter");
                assert!(
                    value.is_finite() && *value >= 0.0,
                    "{name} {labels:?} {value}"
                );
            }
            if let Some(stem) = name.strip_suffix("_bucket").filter(|_| kind == "histogram") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").expect("a bound");
                let bound = bound.replace("+Inf", "inf").parse().expect("a number");
                let key = (stem.to_owned(), labels);
                buckets.entry(key).or_default().push((bound, *value));
            }
        }
        for ((stem, labels), mut buckets) in buckets {
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{stem} {labels:?}");
            let (bound, all) = buckets[buckets.len() - 1];
            assert_eq!(bound, f64::INFINITY, "{stem} {labels:?}");
            let count = self.series.get(&(format!("{stem}_count"), labels.clone()));
            assert_eq!(count, Some(&all), "{stem} {labels:?}");
            let sum = self.series.get(&(format!("{stem}_sum"), labels));
            assert!(sum.is_some_and(|sum| *sum >= 0.0), "{stem}");
        }
    }

    /// The value of a series, if it is there.
    pub fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter();
        let labels: Labels = labels
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        self.series.get(&(name.to_owned(), labels)).copied()
    }

    /// The value of a series.
    ///
    /// # Panics
    /// It is not there.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.find(name, labels)
            .unwrap_or_else(|| panic!("no {name} {labels:?}"))
    }

    /// All series of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a Labels, f64)> {
        let named = self.series.iter().filter(move |((it, _), _)| it == name);
        named.map(|((_, labels), value)| (labels, *value))
    }
}

/// Reads a line with a sample.
fn sample(line: &str) -> (String, Labels, f64) {
    let name_end = line
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .expect("a value follows");
    let (name, mut rest) = line.split_at(name_end);
    assert!(
        !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()),
        "{line}"
    );
    let mut labels = Labels::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (key, after) = rest.split_once("=\"").expect("a label");
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(!key.is_empty() && key.chars().all(is_name), "{line}");
            let (value, after) = unescape(after);
            assert_eq!(labels.insert(key.to_owned(), value), None, "{line}");
            if let Some(after) = after.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = after.strip_prefix(',').expect("another label");
        }
    }
    let value = rest.strip_prefix(' ').expect("a value");
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        value => value
            .parse()
            .unwrap_or_else(|_| panic!("no number: {line}")),
    };
    (name.to_owned(), labels, value)
}

/// The text up to the quote that ends it, and what follows.
fn unescape(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.push(match characters.next().expect("an escape").1 {
                'n' => '\n',
                escaped @ ('\\' | '"') => escaped,
                other => panic!("\\{other} is no escape"),
            }),
            character => value.push(character),
        }
    }
    panic!("{text:?} does not end");
}
