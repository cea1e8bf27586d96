//! `cordoned.log.dirs`: which log directories get no new replicas (KIP-1066).
//!
//! Paths mean something to their own broker only. So they are checked where the file is read, and by the broker
//! that is asked to alter them; the controller checks no more than the form. Whoever asks the controller itself may
//! take entries away, but add none.

use std::path::{Path, PathBuf};

use super::key::Kind;
use super::keys;
use super::value::{InvalidValue, Value};
use super::view::View;

/// The key's name.
pub const CORDONED_LOG_DIRS: &str = "cordoned.log.dirs";
/// The entry that stands for all log directories.
const ALL: &str = "*";

/// The directories that get no new replicas. An entry that is none of this broker's directories any more counts
/// for nothing: it was cordoned to be emptied, and then taken out of the file.
pub(super) fn cordoned(view: &View<'_>, log_dirs: &[PathBuf]) -> Vec<PathBuf> {
    let named = view.list(CORDONED_LOG_DIRS);
    let is_cordoned = |dir: &&PathBuf| named.iter().any(|it| it == ALL || *dir == Path::new(it));
    log_dirs.iter().filter(is_cordoned).cloned().collect()
}

/// Checks the value that holds, and the paths in the file.
pub(super) fn check(view: &View<'_>, log_dirs: &[PathBuf]) -> Result<(), InvalidValue> {
    let named = view.list(CORDONED_LOG_DIRS);
    if named.len() > 1 && named.iter().any(|it| it == ALL) {
        let reason = format!("With {ALL} in it it must not contain other values");
        return Err(view.invalid(CORDONED_LOG_DIRS, &reason));
    }
    match view.layers.settings.get(CORDONED_LOG_DIRS) {
        None => Ok(()),
        Some(of_file) => check_cordoned_log_dirs(of_file, log_dirs),
    }
}

/// Checks that the entries of `text` are among a broker's log directories, or stand for all of them.
///
/// # Errors
/// An entry is none of them.
pub fn check_cordoned_log_dirs(text: &str, log_dirs: &[PathBuf]) -> Result<(), InvalidValue> {
    let key = keys::broker_key(CORDONED_LOG_DIRS).expect("the table has the key");
    let value = key.parse(text)?;
    let named = value.as_list().unwrap_or_default();
    let is_unknown = |it: &&String| *it != ALL && !log_dirs.iter().any(|dir| dir == Path::new(it));
    let unknown: Vec<&str> = named
        .iter()
        .filter(is_unknown)
        .map(String::as_str)
        .collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let reason = format!(
        "All entries must be present in log.dirs or log.dir. Missing entries: {}",
        unknown.join(", ")
    );
    Err(InvalidValue::new(CORDONED_LOG_DIRS, &value, &reason))
}

/// Whether `after` has an entry that `before` does not have.
pub fn cordons_more(before: &str, after: &str) -> bool {
    let entries = |text| {
        let entries = Value::parse(Kind::List, text).ok();
        entries.and_then(|entries| Some(entries.as_list()?.to_vec()))
    };
    let before = entries(before).unwrap_or_default();
    let after = entries(after).unwrap_or_default();
    after.iter().any(|entry| !before.contains(entry))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BrokerConfig, Layers, Settings};

    fn read(of_file: &str, set: &str) -> Result<Vec<PathBuf>, InvalidValue> {
        let settings = Settings::from([
            ("log.dirs".to_owned(), "/a,/b".to_owned()),
            (CORDONED_LOG_DIRS.to_owned(), of_file.to_owned()),
        ]);
        let mut of_broker = Settings::new();
        if !set.is_empty() {
            of_broker.insert(CORDONED_LOG_DIRS.to_owned(), set.to_owned());
        }
        let config = BrokerConfig::read(&Layers {
            of_broker: &of_broker,
            ..Layers::of(&settings)
        })?;
        Ok(config.storage.cordoned_log_dirs)
    }

    #[test]
    fn a_star_stands_for_all_directories_and_stands_alone() {
        let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
        assert_eq!(read("", ""), Ok(vec![]));
        assert_eq!(read("/b", ""), Ok(paths(&["/b"])));
        assert_eq!(read("", "*"), Ok(paths(&["/a", "/b"])));
        assert_eq!(read("*", "/a"), Ok(paths(&["/a"])));
        assert!(read("*,/a", "").is_err());
        assert!(read("", "/a,*").is_err());
    }

    #[test]
    fn taking_entries_away_cordons_no_more() {
        assert!(!cordons_more("/a,/b", "/b"));
        assert!(!cordons_more("/a, /b", ""));
        assert!(cordons_more("", "/a"));
        assert!(cordons_more("/a", "/a,/b"));
        assert!(cordons_more("/a", "*"));
    }

    #[test]
    fn a_directory_that_the_file_does_not_have_is_refused_there_and_passed_over_elsewhere() {
        let error = read("/a,/c", "").unwrap_err();
        assert!(error.to_string().contains("Missing entries: /c"), "{error}");
        assert_eq!(read("", "/b,/gone"), Ok(vec![PathBuf::from("/b")]));
    }
}
