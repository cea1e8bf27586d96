//! What a page is asked for behind the `?` of its address: what to search, how to sort, which part of a long
//! table. Whatever is not understood counts as not asked.

use std::fmt::Write as _;

use serde::Serialize;

/// How many rows a page has, and how many it may have.
const ROWS: usize = 50;
const MOST_ROWS: usize = 1_000;
/// The longest text to search for.
const LONGEST: usize = 500;

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// What names hold.
    pub(super) search: String,
    /// The column that rows are sorted by; empty for the page's own order.
    pub(super) sort: String,
    /// Whether the largest come first.
    pub(super) descending: bool,
    /// The part that is shown, from 1 on.
    pub(super) page: usize,
    /// How many rows each part has.
    pub(super) rows: usize,
    /// Whether internal topics are shown.
    pub(super) internal: bool,
    /// The group that is shown.
    pub(super) id: String,
}

impl Query {
    /// Reads `a=1&b=2`.
    pub(super) fn of(text: &str) -> Self {
        let mut query = Self {
            page: 1,
            rows: ROWS,
            ..Self::default()
        };
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decoded(&value.replace('+', " "));
            let number = value.parse::<usize>().ok().filter(|number| *number > 0);
            match name {
                "q" => query.search = value.chars().take(LONGEST).collect(),
                "sort" => query.sort = value,
                "order" => query.descending = value == "desc",
                "page" => query.page = number.unwrap_or(1),
                "rows" => query.rows = number.unwrap_or(ROWS).min(MOST_ROWS),
                "internal" => query.internal = value == "true",
                "id" => query.id = value,
                _ => {}
            }
        }
        query
    }

    /// The address of `path` with this query.
    pub(super) fn link(&self, path: &str) -> String {
        let mut link = String::from(path);
        let mut before = '?';
        let mut add = |name: &str, value: &str| {
            let _ = write!(link, "{before}{name}={}", encoded(value));
            before = '&';
        };
        for (name, value) in [("id", &self.id), ("q", &self.search), ("sort", &self.sort)] {
            if !value.is_empty() {
                add(name, value);
            }
        }
        if self.descending {
            add("order", "desc");
        }
        if self.internal {
            add("internal", "true");
        }
        if self.rows != ROWS {
            add("rows", &self.rows.to_string());
        }
        if self.page > 1 {
            add("page", &self.page.to_string());
        }
        link
    }

    /// The same query, sorted by `column`: the other way round if it is that already.
    pub(super) fn sorted_by(&self, column: &str, descending_first: bool) -> Self {
        let is_now = self.sort == column;
        Self {
            sort: column.to_owned(),
            descending: if is_now {
                !self.descending
            } else {
                descending_first
            },
            page: 1,
            ..self.clone()
        }
    }

    /// The same query, for another part.
    pub(super) fn at_page(&self, page: usize) -> Self {
        Self {
            page,
            ..self.clone()
        }
    }

    /// Whether a name holds what is searched for, in small letters or large.
    pub(super) fn finds(&self, name: &str) -> bool {
        self.search.is_empty()
            || name
                .to_lowercase()
                .contains(&self.search.trim().to_lowercase())
    }

    /// The part of all rows that is asked for, in the order that is asked for: `order` compares two rows.
    pub(super) fn part<T>(
        &self,
        mut rows: Vec<T>,
        order: impl Fn(&T, &T) -> std::cmp::Ordering,
    ) -> Part<T> {
        rows.sort_by(|a, b| {
            let order = order(a, b);
            if self.descending {
                order.reverse()
            } else {
                order
            }
        });
        let matching = rows.len();
        let pages = matching.div_ceil(self.rows).max(1);
        let page = self.page.min(pages);
        let rows = rows.into_iter().skip((page - 1) * self.rows);
        Part {
            matching,
            page,
            pages,
            rows: rows.take(self.rows).collect(),
        }
    }
}

/// A part of a long table.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part<T> {
    /// How many rows there are in all parts.
    pub(super) matching: usize,
    /// Which part this is, from 1 on.
    pub(super) page: usize,
    /// How many parts there are.
    pub(super) pages: usize,
    /// Its rows.
    pub(super) rows: Vec<T>,
}

/// Text as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

/// The text that a part of an address stands for.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = after.get(2..).filter(|_| byte.is_some()).unwrap_or(after);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(query: &str) -> Part<usize> {
        Query::of(query).part((0..120).collect(), usize::cmp)
    }

    #[test]
    fn a_query_is_what_its_link_says() {
        for text in [
            "",
            "?q=a%26b%3D%3Cc%3E",
            "?id=%25%2F..%22&q=x%20y&sort=size&order=desc&internal=true&rows=7&page=3",
        ] {
            let query = Query::of(text.trim_start_matches('?'));
            assert_eq!(query.link(""), text);
        }
    }

    #[test]
    fn what_is_not_understood_counts_as_not_asked() {
        for text in ["page=0", "page=-1", "rows=x", "&&=&", "%", "q=%", "evil=1"] {
            let query = Query::of(text);
            assert_eq!((query.page, query.rows), (1, ROWS), "{text}");
        }
        assert_eq!(Query::of("rows=99999999").rows, MOST_ROWS);
        assert_eq!(Query::of("q=%zz%4").search, "%zz%4");
    }

    #[test]
    fn parts_together_are_all_rows_in_order() {
        let rows: Vec<usize> = (1..=3)
            .flat_map(|page| part(&format!("page={page}&order=desc")).rows)
            .collect();

        assert_eq!(rows, (0..120).rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_part_beyond_the_last_is_the_last() {
        let last = part("page=99");

        assert_eq!((last.page, last.pages, last.matching), (3, 3, 120));
        assert_eq!(last.rows, (100..120).collect::<Vec<_>>());
    }

    #[test]
    fn sorting_again_by_a_column_turns_it_round_and_begins_at_the_first_part() {
        let query = Query::of("sort=size&order=desc&page=4");

        assert_eq!(query.sorted_by("size", true).link(""), "?sort=size");
        assert_eq!(
            query.sorted_by("lag", true).link(""),
            "?sort=lag&order=desc"
        );
    }
}
