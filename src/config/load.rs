//! Reads the config at the start: the file, then the environment over it; each value is checked by itself,
//! then all together. Every problem is reported, not only the first; nothing is guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use super::broker::BrokerConfig;
use super::environment::{self, Meaning};
use super::keys;
use super::layers::{Layers, Settings};
use super::notices;
use super::value::InvalidValue;
use super::view::View;
use super::{properties_file, toml_file};

/// A config that was read and found good.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The typed config.
    pub config: BrokerConfig,
    /// What was set, for DescribeConfigs and for building other views.
    pub settings: Settings,
    /// The file or variable from which each setting comes.
    pub origins: BTreeMap<String, String>,
    /// Sentences for the operator: keys that do nothing, variables that look like keys.
    pub warnings: Vec<String>,
}

/// The config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file, or one that a variable names, cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is not TOML, or not Java properties.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong, and where.
        message: String,
    },
    /// Keys or values are wrong; one line for each.
    #[error("{}", lines(.0))]
    Problems(Vec<Problem>),
}

/// Something that is wrong with a key or its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or the variable that it comes from.
    pub origin: String,
    /// The key, the value, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.message)
    }
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// Reads `file` (Java properties if its name ends so, else TOML) and the variables of
/// `environment`.
///
/// # Errors
/// See [`LoadError`]. The message names file or variable, key, value and what is allowed.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded, LoadError> {
    let mut collected = Collected::default();
    if let Some(path) = file {
        collected.add_file(path)?;
    }
    collected.add_environment(environment)?;
    collected.check_each();
    collected.finish()
}

/// Settings while they are read, with the places that they come from.
#[derive(Default)]
struct Collected {
    settings: Settings,
    origins: BTreeMap<String, String>,
    warnings: Vec<String>,
    problems: Vec<Problem>,
}

impl Collected {
    fn add_file(&mut self, path: &Path) -> Result<(), LoadError> {
        let text = read(path)?;
        let is_properties = path
            .extension()
            .is_some_and(|extension| extension == "properties");
        let settings = if is_properties {
            properties_file::read(&text)
        } else {
            toml_file::read(&text)
        };
        let settings = settings.map_err(|message| LoadError::Syntax {
            path: path.to_owned(),
            message,
        })?;
        let origin = path.display().to_string();
        for (name, text) in settings {
            if self.settings.contains_key(&name) && !is_properties {
                let message = format!("{name} is set twice: in quotes and as a dotted key");
                self.problems.push(Problem {
                    origin: origin.clone(),
                    message,
                });
            }
            self.set(name, text, &origin);
        }
        Ok(())
    }

    fn add_environment(
        &mut self,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), LoadError> {
        // An image that passes on a variable which nobody has set leaves it empty.
        let mut variables: Vec<(String, String)> = environment
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .collect();
        variables.sort_by_key(|(name, _)| (environment::is_plain(name), name.clone()));
        for (variable, text) in variables {
            match environment::meaning(&variable) {
                Meaning::Sets(key) => self.set(key, text, &variable),
                Meaning::SetsFromFile(key) => {
                    let text = read(Path::new(&text))?;
                    self.set(
                        key,
                        text.trim_end_matches(['\r', '\n']).to_owned(),
                        &variable,
                    );
                }
                Meaning::Foreign => self.warnings.push(format!(
                    "the variable {variable} does nothing here: there is no JVM"
                )),
                Meaning::Unknown(key) => self.warnings.push(format!(
                    "the variable {variable} is ignored: there is no key {key}{}",
                    suggestion(&key)
                )),
                Meaning::Nothing => {}
            }
        }
        Ok(())
    }

    fn set(&mut self, name: String, text: String, origin: &str) {
        self.origins.insert(name.clone(), origin.to_owned());
        self.settings.insert(name, text);
    }

    /// Checks every value against the table.
    fn check_each(&mut self) {
        let mut noticed = BTreeSet::new();
        for (name, text) in &self.settings {
            let origin = self.origins[name].clone();
            let Some(key) = keys::broker_key_behind(name) else {
                let message = unknown(name, text);
                self.problems.push(Problem { origin, message });
                continue;
            };
            match key.parse(text) {
                Err(invalid) => {
                    let message = format!("{invalid} (allowed: {})", key.allowed());
                    self.problems.push(Problem { origin, message });
                }
                // A key that does nothing is not worth a warning if it is set to its default.
                Ok(value) if Some(&value) == key.default_value().as_ref() => {}
                Ok(_) if noticed.insert(key.name) => self.warnings.extend(key.notice()),
                Ok(_) => {}
            }
        }
    }

    /// Sets both names of the node's id, the old and the new one, if either is set.
    fn add_twin_of_node_id(&mut self) {
        for (name, twin) in [("node.id", "broker.id"), ("broker.id", "node.id")] {
            if let Some(text) = self.settings.get(name).cloned() {
                self.settings.entry(twin.to_owned()).or_insert(text);
            }
        }
    }

    fn read(&self) -> Result<BrokerConfig, InvalidValue> {
        BrokerConfig::read(&Layers::of(&self.settings))
    }

    fn finish(mut self) -> Result<Loaded, LoadError> {
        if !self.problems.is_empty() {
            return Err(LoadError::Problems(self.problems));
        }
        self.add_twin_of_node_id();
        match self.read() {
            Ok(config) => {
                let layers = Layers::of(&self.settings);
                self.warnings.extend(notices::of(&View { layers }, &config));
                let Self {
                    settings,
                    origins,
                    warnings,
                    ..
                } = self;
                Ok(Loaded {
                    config,
                    settings,
                    origins,
                    warnings,
                })
            }
            Err(InvalidValue { name, message }) => {
                let origin = self
                    .origins
                    .remove(&name)
                    .unwrap_or_else(|| "config".to_owned());
                Err(LoadError::Problems(vec![Problem { origin, message }]))
            }
        }
    }
}

fn read(path: &Path) -> Result<String, LoadError> {
    fs::read_to_string(path).map_err(|source| LoadError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn unknown(name: &str, text: &str) -> String {
    if name.starts_with("zookeeper.") || keys::REMOVED.contains(&name) {
        return format!("{name} = {text:?}: Kafka 4.0 removed this key; delete it");
    }
    format!(
        "{name} = {text:?}: there is no such key{}",
        suggestion(name)
    )
}

fn suggestion(name: &str) -> String {
    match keys::nearest_broker_key(name) {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file of the folder with the examples, also if such a node is not served yet.
    fn example(name: &str) -> (BrokerConfig, Settings) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("config")
            .join(name);
        let mut collected = Collected::default();
        collected.add_file(&path).expect("the example can be read");
        collected.check_each();
        assert_eq!(collected.problems, []);
        collected.add_twin_of_node_id();
        let layers = Layers::of(&collected.settings);
        let config = BrokerConfig::read(&layers).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(notices::of(&View { layers }, &config), [""; 0], "{name}");
        (config, collected.settings)
    }

    #[test]
    fn the_examples_of_three_nodes_are_one_cluster() {
        let nodes: Vec<_> = (1..=3)
            .map(|id| example(&format!("node-{id}.toml")))
            .collect();

        let own_keys = [
            "node.id",
            "broker.id",
            "listeners",
            "advertised.listeners",
            "admin.listeners",
            "log.dirs",
        ];
        for (id, (config, settings)) in (1..).zip(&nodes) {
            let node = &config.node;
            assert_eq!(node.node_id.0, id);
            let mut voters = node.controller_quorum_voters.iter();
            let own = voters.find(|voter| voter.id == node.node_id).unwrap();
            let listener = &config.network.listeners.controller[0];
            assert_eq!((&own.host, own.port), (&listener.host, listener.port));
            for (key, text) in settings {
                let same = nodes
                    .iter()
                    .filter(|(_, other)| other.get(key) == Some(text));
                let expected = if own_keys.contains(&key.as_str()) {
                    1
                } else {
                    3
                };
                assert_eq!(same.count(), expected, "{key} = {text}");
            }
        }
    }
}
