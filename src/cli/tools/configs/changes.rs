//! What is to be set and deleted, by `--add-config`, `--add-config-file` and `--delete-config`.

use std::collections::BTreeMap;
use std::fs;

use super::ConfigsArguments;
use super::failure::Failure;
use crate::config::read_properties;

const NO_PAIRS: &str = "requirement failed: Invalid entity config: all configs to be added must be in the format \
                        \"key=val\" or  \"key=[val1,val2]\" to group values which contain commas.";

/// Changes of configs by name.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) set: BTreeMap<String, String>,
    pub(super) delete: Vec<String>,
}

impl Changes {
    /// The names of what is set and of what is deleted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.set.keys().chain(&self.delete).map(String::as_str)
    }
}

impl ConfigsArguments {
    /// The changes that the arguments ask for.
    ///
    /// # Errors
    /// They are none.
    pub(super) fn changes(&self) -> Result<Changes, Failure> {
        let mut set = BTreeMap::new();
        if let Some(path) = &self.add_config_file {
            let text = fs::read_to_string(path).map_err(|_| Failure::no_such_file(path))?;
            let settings = read_properties(&text).map_err(Failure::Told)?;
            set.extend(settings);
        }
        if let Some(text) = &self.add_config {
            set.extend(pairs(text)?);
        }
        // Some loggers have a dollar sign in their names.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "$._-".contains(c);
        if let Some(key) = set.keys().find(|key| !key.chars().all(is_allowed)) {
            return Err(Failure::Told(format!(
                "Invalid character found for config key: {key}"
            )));
        }
        let delete = self.delete_config.iter().flat_map(|keys| listed(keys));
        let delete = delete.map(|key| trimmed(key).to_owned());
        Ok(Changes {
            set,
            delete: delete.collect(),
        })
    }
}

/// The keys in a list; one that is only commas is a key by itself.
fn listed(keys: &str) -> Vec<&str> {
    let parts: Vec<&str> = keys.split(',').filter(|key| !key.is_empty()).collect();
    match parts.as_slice() {
        [] => vec![keys],
        _ => parts,
    }
}

/// The pairs in `k1=v1,k2=[v1,v2]`. Brackets are no part of a value.
fn pairs(text: &str) -> Result<Vec<(String, String)>, Failure> {
    let mut parts = split(text, ',');
    if parts.len() > 1 {
        // A list may end with commas, and one of commas alone is empty.
        let last = parts.iter().rposition(|part| !part.is_empty());
        parts.truncate(last.map_or(0, |last| last + 1));
    }
    let pair = |part: &str| match split(part, '=')[..] {
        [key, value] => {
            let value = value.replace(['[', ']'], "");
            Ok((trimmed(key).to_owned(), trimmed(&value).to_owned()))
        }
        _ => Err(Failure::told(NO_PAIRS)),
    };
    parts.into_iter().map(pair).collect()
}

/// Splits at each separator that is not within brackets: no closing bracket comes before the next opening one.
fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut begin = 0;
    for (place, _) in text.match_indices(separator) {
        let end = place + separator.len_utf8();
        let rest = &text[end..];
        let is_within = match (rest.find(']'), rest.find('[')) {
            (Some(close), Some(open)) => close < open,
            (close, _) => close.is_some(),
        };
        if !is_within {
            parts.push(&text[begin..place]);
            begin = end;
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// Without blanks and control characters around it, as Java trims.
fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| c <= ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<(String, String)>> {
        pairs(text).ok()
    }

    fn is(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
        let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        Some(pairs.iter().map(pair).collect())
    }

    #[test]
    fn brackets_hold_what_has_commas_and_equals_signs() {
        assert_eq!(read("a=1, b = 2 "), is(&[("a", "1"), ("b", "2")]));
        assert_eq!(
            read("a=[1,2],b=,c=[x=y,z=1]"),
            is(&[("a", "1,2"), ("b", ""), ("c", "x=y,z=1")])
        );
        assert_eq!(read("a=1,,"), is(&[("a", "1")]));
        assert_eq!(read(","), is(&[]));
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for wrong in ["", "a", "a=b=c", "a=1,b", ",a=1", "a=1,2"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn keys_to_delete_are_separated_by_commas() {
        assert_eq!(listed("a,,b"), ["a", "b"]);
        assert_eq!(listed(","), [","]);
    }
}
