//! The levels of log lines, changed while the process runs: one logger for each module of the code map, and
//! `root` for those without a level of their own. A change lasts until the process ends.
//!
//! A logger's name is its module's with dots, as Kafka's tools take no colons: `broker.storage`.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The name of the logger that holds for all others.
pub const ROOT_LOGGER: &str = "root";

/// The names of levels that can be set, as Kafka has them, by the alphabet.
pub const LOG_LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];

/// The code map: each module in it is a logger.
const CODE_MAP: &str = include_str!("../lib.rs");

/// Makes the subscriber use other levels from now on.
pub(super) type Apply = Box<dyn Fn(Targets) + Send + Sync>;

/// All loggers of the process.
pub struct Loggers {
    levels: Mutex<Levels>,
    apply: Apply,
}

struct Levels {
    root: LevelFilter,
    /// The levels of those loggers that have one of their own.
    own: BTreeMap<String, LevelFilter>,
    names: BTreeSet<String>,
}

impl Loggers {
    /// Reads the config's `text`: levels, for all or for one module, separated by commas. `None` if it is
    /// malformed.
    pub(super) fn parse(text: &str, apply: Apply) -> Option<Self> {
        let modules = CODE_MAP
            .lines()
            .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
            .map(|module| format!("broker::{module}"));
        let mut levels = Levels {
            // As usual for such filters: where the text names modules only, all others are silent.
            root: LevelFilter::OFF,
            own: BTreeMap::new(),
            names: modules.chain(["broker".to_owned()]).collect(),
        };
        for entry in text.split(',') {
            match entry.split_once('=') {
                None => levels.root = entry.trim().parse().ok()?,
                Some((part, level)) => {
                    let part = part.trim().to_owned();
                    levels.own.insert(part.clone(), level.trim().parse().ok()?);
                    levels.names.insert(part);
                }
            }
        }
        Some(Self {
            levels: Mutex::new(levels),
            apply,
        })
    }

    /// Makes the subscriber use the levels that hold now.
    pub(super) fn apply(&self) {
        (self.apply)(self.levels.lock().targets());
    }

    /// All loggers by name, with the level that holds for each.
    pub fn levels(&self) -> Vec<(String, String)> {
        let levels = self.levels.lock();
        let named = levels
            .names
            .iter()
            .map(|name| (name.replace("::", "."), kafkas_name(levels.of(name))));
        let root = (ROOT_LOGGER.to_owned(), kafkas_name(levels.root));
        named.chain([root]).collect()
    }

    /// Whether there is a logger by this name.
    pub fn has(&self, name: &str) -> bool {
        name == ROOT_LOGGER || self.levels.lock().names.contains(&module(name))
    }

    /// Sets the level of a logger, one of [`LOG_LEVELS`]. Returns whether the logger and the level exist.
    pub fn set(&self, name: &str, level: &str) -> bool {
        let level = match level {
            // Nothing is logged above ERROR.
            "FATAL" => LevelFilter::OFF,
            _ if LOG_LEVELS.contains(&level) => match level.parse() {
                Ok(level) => level,
                Err(_) => return false,
            },
            _ => return false,
        };
        self.change(name, |levels| {
            if name == ROOT_LOGGER {
                levels.root = level;
            } else {
                levels.own.insert(module(name), level);
            }
        })
    }

    /// Takes a logger's own level away, so that the level of the module above it holds. Returns whether it
    /// could: the root has no module above it.
    pub fn unset(&self, name: &str) -> bool {
        name != ROOT_LOGGER
            && self.change(name, |levels| {
                levels.own.remove(&module(name));
            })
    }

    fn change(&self, name: &str, change: impl FnOnce(&mut Levels)) -> bool {
        if !self.has(name) {
            return false;
        }
        let mut levels = self.levels.lock();
        change(&mut levels);
        (self.apply)(levels.targets());
        true
    }
}

impl Levels {
    fn targets(&self) -> Targets {
        let own = self.own.iter().map(|(name, level)| (name.as_str(), *level));
        Targets::new().with_default(self.root).with_targets(own)
    }

    /// The level that holds for `name`: that of the longest own name with which `name` begins.
    fn of(&self, name: &str) -> LevelFilter {
        let own = self.own.iter().filter(|(own, _)| name.starts_with(&***own));
        own.max_by_key(|(own, _)| own.len())
            .map_or(self.root, |(_, level)| *level)
    }
}

/// The module that a logger is named after.
fn module(logger: &str) -> String {
    logger.replace('.', "::")
}

fn kafkas_name(level: LevelFilter) -> String {
    match level {
        LevelFilter::OFF => "FATAL".to_owned(),
        level => level.to_string().to_ascii_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tracing::Level;

    fn loggers(text: &str) -> (Loggers, Arc<Mutex<Targets>>) {
        let applied = Arc::new(Mutex::new(Targets::new()));
        let target = Arc::clone(&applied);
        let apply = Box::new(move |targets| *target.lock() = targets);
        (Loggers::parse(text, apply).unwrap(), applied)
    }

    fn level_of(loggers: &Loggers, name: &str) -> String {
        let levels = loggers.levels();
        levels
            .into_iter()
            .find(|(found, _)| found == name)
            .unwrap()
            .1
    }

    #[test]
    fn each_module_is_a_logger_with_the_level_that_holds_for_it() {
        let (loggers, _) = loggers("info, broker::storage=debug");

        assert_eq!(level_of(&loggers, ROOT_LOGGER), "INFO");
        assert_eq!(level_of(&loggers, "broker.network"), "INFO");
        assert_eq!(level_of(&loggers, "broker.storage"), "DEBUG");
        assert!(!loggers.has("kafka.server.KafkaApis"));
    }

    #[test]
    fn a_level_is_set_for_a_part_and_taken_back() {
        let (loggers, applied) = loggers("info");

        assert!(loggers.set("broker.raft", "TRACE"));
        assert!(
            applied
                .lock()
                .would_enable("broker::raft::driver", &Level::TRACE)
        );
        assert!(
            !applied
                .lock()
                .would_enable("broker::storage", &Level::DEBUG)
        );

        assert!(loggers.unset("broker.raft"));
        assert!(!applied.lock().would_enable("broker::raft", &Level::TRACE));
        assert_eq!(level_of(&loggers, "broker.raft"), "INFO");
    }

    #[test]
    fn the_root_and_unknown_loggers_keep_what_they_have() {
        let (loggers, _) = loggers("warn");

        assert!(!loggers.unset(ROOT_LOGGER));
        assert!(!loggers.set("broker.nothing", "INFO"));
        assert!(!loggers.set("broker", "loud"));
        assert!(
            !loggers.set("broker", "info"),
            "names are Kafka's, in capitals"
        );
        assert!(loggers.set(ROOT_LOGGER, "FATAL"));
        assert_eq!(level_of(&loggers, "broker.api"), "FATAL");
    }
}
