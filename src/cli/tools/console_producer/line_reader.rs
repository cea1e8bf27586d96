//! What a line says of a record, as Kafka's `LineMessageReader` reads it: headers, a key and a value, with
//! separators between them.

use regex::bytes::Regex;

use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::records::Header;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parsed<'a> {
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    pub(super) headers: Vec<Header<'a>>,
}

/// How lines are read.
#[derive(Debug)]
pub(super) struct LineReader {
    parses_key: bool,
    key_separator: String,
    parses_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignores_errors: bool,
    null_marker: Option<String>,
    line_number: u64,
}

impl LineReader {
    /// A reader with these properties.
    ///
    /// # Errors
    /// Two separators are the same, or one is no regular expression where one is needed.
    pub(super) fn new(properties: &Properties) -> Result<Self, Ending> {
        let text = |key, usual: &str| properties.get(key).unwrap_or(usual).to_owned();
        let is_on = |key| properties.is_true(key).unwrap_or(false);
        let key_separator = text("key.separator", "\t");
        let delimiter = text("headers.delimiter", "\t");
        let separator = text("headers.separator", ",");
        let inner = text("headers.key.separator", ":");
        let marker = properties.get("null.marker").map(str::to_owned);
        let named = [
            ("headers.delimiter", &delimiter),
            ("headers.separator", &separator),
            ("headers.key.separator", &inner),
        ];
        for (index, (name, text)) in named.iter().enumerate() {
            for (other, other_text) in &named[index + 1..] {
                differ(name, text, other, other_text)?;
            }
        }
        if let Some(marker) = &marker {
            differ("null.marker", marker, "key.separator", &key_separator)?;
            for (name, text) in [named[1], named[0], named[2]] {
                differ("null.marker", marker, name, text)?;
            }
        }
        let separator =
            Regex::new(&separator).map_err(|error| Ending::Failed(error.to_string()))?;
        Ok(Self {
            parses_key: is_on("parse.key"),
            key_separator,
            parses_headers: is_on("parse.headers"),
            headers_delimiter: delimiter,
            headers_separator: separator,
            headers_key_separator: inner,
            ignores_errors: is_on("ignore.error"),
            null_marker: marker,
            line_number: 0,
        })
    }

    /// Reads the next line.
    ///
    /// # Errors
    /// A separator is missing, and that is not to be ignored.
    pub(super) fn parse<'a>(&mut self, line: &'a [u8]) -> Result<Parsed<'a>, Ending> {
        self.line_number += 1;
        let (headers, rest) = self.cut(
            self.parses_headers,
            line,
            line,
            &self.headers_delimiter,
            "headers delimiter",
        )?;
        let (key, value) = self.cut(
            self.parses_key,
            line,
            rest,
            &self.key_separator,
            "key separator",
        )?;
        let headers = headers.filter(|headers| !self.is_null(headers));
        Ok(Parsed {
            key: key.filter(|key| !self.is_null(key)),
            value: Some(value).filter(|value| !self.is_null(value)),
            headers: match headers {
                Some(headers) => self.headers(headers)?,
                None => Vec::new(),
            },
        })
    }

    /// What is before a separator, and what is behind it; all is behind it if it is not looked for.
    fn cut<'a>(
        &self,
        is_wanted: bool,
        line: &[u8],
        rest: &'a [u8],
        separator: &str,
        name: &str,
    ) -> Result<(Option<&'a [u8]>, &'a [u8]), Ending> {
        if !is_wanted {
            return Ok((None, rest));
        }
        match find(rest, separator.as_bytes()) {
            Some(at) => Ok((Some(&rest[..at]), &rest[at + separator.len()..])),
            None if self.ignores_errors => Ok((None, rest)),
            None => Err(Ending::Failed(format!(
                "No {name} found on line number {}: '{}'",
                self.line_number,
                String::from_utf8_lossy(line)
            ))),
        }
    }

    fn headers<'a>(&self, text: &'a [u8]) -> Result<Vec<Header<'a>>, Ending> {
        let mut pairs: Vec<&[u8]> = self.headers_separator.split(text).collect();
        // Java leaves out what is empty at the end.
        while pairs.len() > 1 && pairs.last().is_some_and(|pair| pair.is_empty()) {
            pairs.pop();
        }
        pairs.into_iter().map(|pair| self.header(pair)).collect()
    }

    fn header<'a>(&self, pair: &'a [u8]) -> Result<Header<'a>, Ending> {
        let separator = self.headers_key_separator.as_bytes();
        let Some(at) = find(pair, separator) else {
            if self.ignores_errors {
                return Ok(Header {
                    key: pair,
                    value: None,
                });
            }
            return Err(Ending::Failed(format!(
                "No header key separator found in pair '{}' on line number {}",
                String::from_utf8_lossy(pair),
                self.line_number
            )));
        };
        let (key, value) = (&pair[..at], &pair[at + separator.len()..]);
        if self.is_null(key) {
            return Err(Ending::Failed(format!(
                "Header keys should not be equal to the null marker '{}' as they can't be null",
                String::from_utf8_lossy(key)
            )));
        }
        Ok(Header {
            key,
            value: Some(value).filter(|value| !self.is_null(value)),
        })
    }

    fn is_null(&self, text: &[u8]) -> bool {
        let marker = self.null_marker.as_deref();
        marker.is_some_and(|marker| marker.as_bytes() == text)
    }
}

fn differ(name: &str, text: &str, other: &str, other_text: &str) -> Result<(), Ending> {
    if text == other_text {
        return Err(Ending::Failed(format!(
            "{name} and {other} may not be equal"
        )));
    }
    Ok(())
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(pairs: &[&str]) -> LineReader {
        let mut properties = Properties::default();
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        properties.add(&pairs);
        LineReader::new(&properties).expect("good properties")
    }

    fn header(key: &'static str, value: Option<&'static str>) -> Header<'static> {
        Header {
            key: key.as_bytes(),
            value: value.map(str::as_bytes),
        }
    }

    #[test]
    fn a_line_is_a_value_unless_more_is_looked_for() {
        let parsed = reader(&[]).parse(b"a\tb").expect("a line");

        assert_eq!((parsed.key, parsed.value), (None, Some(&b"a\tb"[..])));
    }

    #[test]
    fn headers_key_and_value_are_cut_apart() {
        let mut reader = reader(&["parse.key=true", "parse.headers=true", "null.marker=NULL"]);

        let parsed = reader.parse(b"a:1,b:NULL,c:\tk\tv\tw").expect("a line");
        let nulls = reader.parse(b"NULL\tNULL\tNULL").expect("a line");

        assert_eq!(parsed.key, Some(&b"k"[..]));
        assert_eq!(parsed.value, Some(&b"v\tw"[..]));
        let expected = [
            header("a", Some("1")),
            header("b", None),
            header("c", Some("")),
        ];
        assert_eq!(parsed.headers, expected);
        assert_eq!(nulls, Parsed::default());
    }

    #[test]
    fn a_line_without_its_separator_is_told_with_its_number() {
        let mut strict = reader(&["parse.key=true", "key.separator=="]);
        let mut loose = reader(&["parse.key=true", "ignore.error=true"]);

        strict.parse(b"k=v").expect("a line");
        let error = strict.parse(b"kv").expect_err("it has no separator");
        let parsed = loose.parse(b"kv").expect("it is ignored");

        assert_eq!(
            error.to_string(),
            "No key separator found on line number 2: 'kv'"
        );
        assert_eq!((parsed.key, parsed.value), (None, Some(&b"kv"[..])));
    }

    #[test]
    fn separators_differ() {
        let mut properties = Properties::default();
        properties.add(&["headers.separator=:".to_owned()]);

        let error = LineReader::new(&properties).expect_err("two are the same");

        assert_eq!(
            error.to_string(),
            "headers.separator and headers.key.separator may not be equal"
        );
    }
}
