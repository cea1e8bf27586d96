//! What somebody asks for who looks at messages, and how far a page came: the place to go on from is told in full
//! by a cursor, so that nothing is kept here between two pages.

use std::collections::BTreeMap;
use std::fmt;

use super::decode::{Form, visible};
use super::filter;
use crate::web::pages::query::{decoded, encoded};
use crate::web::pages::time;

/// How many messages a page has, and how many it may have.
const LIMIT: usize = 50;
const MOST: usize = 500;
/// How many partitions are read for one page.
pub(super) const MOST_PARTITIONS: usize = 64;

/// Where reading begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum From {
    /// With the newest message, backwards.
    #[default]
    End,
    Beginning,
    Offset,
    Time,
}

impl From {
    pub(super) const ALL: [(Self, &'static str, &'static str); 4] = [
        (Self::End, "end", "the end: newest first"),
        (Self::Beginning, "beginning", "the beginning"),
        (Self::Offset, "offset", "an offset"),
        (Self::Time, "time", "a time (UTC)"),
    ];

    fn of(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|it| it.1 == name);
        found.map(|it| it.0).unwrap_or_default()
    }

    pub(super) fn name(self) -> &'static str {
        let found = Self::ALL.into_iter().find(|it| it.0 == self);
        found.map_or("end", |it| it.1)
    }
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    /// `None` for all.
    pub(super) partition: Option<i32>,
    pub(super) from: From,
    /// The offset or time, as it was written.
    pub(super) at: String,
    pub(super) limit: usize,
    pub(super) filter: String,
    /// Whether messages of transactions are shown that were not committed.
    pub(super) uncommitted: bool,
    pub(super) key: Form,
    pub(super) value: Form,
    pub(super) cursor: Option<Cursor>,
}

impl Reading {
    /// Reads `a=1&b=2`. What is not understood counts as not asked.
    pub(super) fn of(text: &str) -> Self {
        let mut reading = Self {
            limit: LIMIT,
            ..Self::default()
        };
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(&value.replace('+', " "));
            match name {
                "partition" => reading.partition = value.parse().ok().filter(|it| *it >= 0),
                "from" => reading.from = From::of(&value),
                "at" => reading.at = value.chars().take(40).collect(),
                "limit" => {
                    let limit = value.parse().ok().filter(|it| *it > 0);
                    reading.limit = limit.unwrap_or(LIMIT).min(MOST);
                }
                // One that is too long is refused where it is read.
                "filter" => reading.filter = value.chars().take(filter::LONGEST + 1).collect(),
                "uncommitted" => reading.uncommitted = value == "true",
                "key" => reading.key = Form::of(&value),
                "value" => reading.value = Form::of(&value),
                "cursor" => reading.cursor = Cursor::read(&value),
                _ => {}
            }
        }
        reading
    }

    /// The offset that is asked for.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn offset(&self) -> Result<i64, String> {
        let offset = self.at.trim().replace([',', '_'], "").parse::<i64>();
        let offset = offset.ok().filter(|it| *it >= 0);
        offset.ok_or_else(|| format!("\"{}\" is no offset.", visible(&self.at)))
    }

    /// The time that is asked for, in milliseconds since 1970.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn time(&self) -> Result<i64, String> {
        time::read(&self.at).filter(|ms| *ms >= 0).ok_or_else(|| {
            let told = visible(&self.at);
            format!("\"{told}\" is no time: write it as 2026-01-31 12:00:00, or in milliseconds since 1970.")
        })
    }

    /// The address of `path` with this.
    pub(super) fn link(&self, path: &str) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        if let Some(partition) = self.partition {
            pairs.push(("partition", partition.to_string()));
        }
        if self.from != From::End {
            pairs.push(("from", self.from.name().to_owned()));
        }
        for (name, value) in [("at", &self.at), ("filter", &self.filter)] {
            if !value.is_empty() {
                pairs.push((name, encoded(value)));
            }
        }
        if self.limit != LIMIT {
            pairs.push(("limit", self.limit.to_string()));
        }
        if self.uncommitted {
            pairs.push(("uncommitted", "true".to_owned()));
        }
        for (name, form) in [("key", self.key), ("value", self.value)] {
            if form != Form::Auto {
                pairs.push((name, form.name().to_owned()));
            }
        }
        if let Some(cursor) = &self.cursor {
            pairs.push(("cursor", cursor.to_string()));
        }
        let pairs: Vec<String> = pairs
            .iter()
            .map(|(name, it)| format!("{name}={it}"))
            .collect();
        if pairs.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{}", pairs.join("&"))
        }
    }

    /// The same, from another place on.
    pub(super) fn at_cursor(&self, cursor: Option<Cursor>) -> Self {
        Self {
            cursor,
            ..self.clone()
        }
    }
}

/// Where a page has ended: the next offset of each partition, or the one behind it when reading backwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) is_backward: bool,
    pub(super) places: BTreeMap<i32, i64>,
}

impl Cursor {
    /// Reads `f0-12.1-3`.
    fn read(text: &str) -> Option<Self> {
        let (is_backward, text) = match text.strip_prefix('b') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('f')?),
        };
        let place = |text: &str| {
            let (partition, offset) = text.split_once('-')?;
            let place: (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
            (place.0 >= 0 && place.1 >= 0).then_some(place)
        };
        let places: Option<BTreeMap<i32, i64>> = text
            .split('.')
            .take(MOST_PARTITIONS + 1)
            .map(place)
            .collect();
        let places = places.filter(|it| it.len() <= MOST_PARTITIONS)?;
        Some(Self {
            is_backward,
            places,
        })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_backward { "b" } else { "f" })?;
        for (index, (partition, offset)) in self.places.iter().enumerate() {
            let dot = if index > 0 { "." } else { "" };
            write!(formatter, "{dot}{partition}-{offset}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_is_what_its_link_says() {
        for text in [
            "",
            "?partition=3&from=offset&at=12&filter=key%20%3D%3D%20%22%3Ca%26b%3E%22&limit=7",
            "?from=time&at=2026-01-31&uncommitted=true&key=i64&value=hex&cursor=b0-12.7-0",
        ] {
            assert_eq!(Reading::of(text.trim_start_matches('?')).link(""), text);
        }
    }

    #[test]
    fn what_is_not_understood_counts_as_not_asked() {
        for text in [
            "partition=-1",
            "partition=x",
            "limit=0",
            "from=nowhere",
            "key=java",
            "cursor=",
            "cursor=f",
            "cursor=x0-1",
            "cursor=f0",
            "cursor=f0--5",
            "cursor=f-1-5",
            "cursor=b0-99999999999999999999",
        ] {
            assert_eq!(Reading::of(text).link(""), "", "{text}");
        }
        assert_eq!(Reading::of("limit=9999999").limit, MOST);
        let many: Vec<String> = (0..=MOST_PARTITIONS).map(|it| format!("{it}-0")).collect();
        assert_eq!(
            Reading::of(&format!("cursor=f{}", many.join("."))).cursor,
            None
        );
    }

    #[test]
    fn offsets_and_times_are_read_or_refused_with_what_was_written() {
        let at = |text: &str| Reading {
            at: text.to_owned(),
            ..Reading::default()
        };

        assert_eq!(at(" 1,234 ").offset(), Ok(1_234));
        assert_eq!(at("1970-01-01 00:00:01").time(), Ok(1_000));
        assert!(at("-1").offset().is_err_and(|it| it.contains("\"-1\"")));
        assert!(at("soon").time().is_err_and(|it| it.contains("\"soon\"")));
    }
}
