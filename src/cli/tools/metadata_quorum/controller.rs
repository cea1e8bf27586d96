//! A controller that is to be a voter, by its config.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use regex::Regex;

use super::failed;
use super::status::shown;
use crate::cli::tools::ending::Ending;
use crate::cli::tools::options::Properties;
use crate::model::Uuid;
use crate::storage::disk::FileDisk;
use crate::storage::meta_properties::MetaProperties;

/// A controller.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Controller {
    pub(super) id: i32,
    pub(super) directory_id: Uuid,
    /// Where others reach it.
    pub(super) listeners: Vec<Listener>,
}

/// Where a node listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: i32,
}

impl fmt::Display for Controller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listeners = self.listeners.iter();
        let listeners = listeners.map(|it| shown(&it.name, &it.host, it.port));
        let listeners: Vec<String> = listeners.collect();
        write!(
            formatter,
            "{} with directory id {} and endpoints: {}",
            self.id,
            self.directory_id,
            listeners.join(", ")
        )
    }
}

impl Controller {
    /// The controller that a config belongs to. Its directory must be on this machine.
    ///
    /// # Errors
    /// The config is none of a controller, or its directory can't be read.
    pub(super) fn of(config: &Properties) -> Result<Self, Ending> {
        Ok(Self {
            id: id(config)?,
            directory_id: directory_id(directory(config)?)?,
            listeners: listeners(config)?,
        })
    }
}

/// Why a config is none of a controller.
fn invalid<T>(reason: &str) -> Result<T, Ending> {
    failed(format!(
        "{reason}. Is this a valid controller configuration file?"
    ))
}

fn id(config: &Properties) -> Result<i32, Ending> {
    let Some(text) = config.get("node.id") else {
        return invalid("node.id not found in configuration file");
    };
    let id: i32 = number(text)?;
    if id < 0 {
        return invalid("node.id was negative in configuration file");
    }
    let roles = config.get("process.roles").unwrap_or_default();
    if !roles.contains("controller") {
        return invalid("process.roles did not contain 'controller' in configuration file");
    }
    Ok(id)
}

fn number(text: &str) -> Result<i32, Ending> {
    let number = text.parse();
    number.map_err(|_| Ending::Failed(format!("For input string: \"{text}\"")))
}

/// The directory of the metadata log.
fn directory(config: &Properties) -> Result<&str, Ending> {
    let shared = config.get("log.dirs").map(str::trim);
    let first = shared.map(|list| list.split_once(',').map_or(list, |(first, _)| first));
    match config.get("metadata.log.dir").or(first) {
        Some(directory) => Ok(directory),
        None => invalid("Neither metadata.log.dir nor log.dirs were found"),
    }
}

fn directory_id(directory: &str) -> Result<Uuid, Ending> {
    let disk = FileDisk::new(1);
    let properties = MetaProperties::load(&disk, Path::new(directory));
    let properties = properties.map_err(|error| Ending::Failed(error.to_string()))?;
    let Some(properties) = properties else {
        return failed(format!("Unable to read meta.properties from {directory}"));
    };
    match properties.directory_id {
        Some(id) => Ok(id),
        None => failed(format!("No directory id found in {directory}")),
    }
}

/// The listeners of the controller; those that it advertises take the place of others with their names.
fn listeners(config: &Properties) -> Result<Vec<Listener>, Ending> {
    let mut by_name = BTreeMap::new();
    for key in ["listeners", "advertised.listeners"] {
        let list = config.get(key).unwrap_or_default().split(',');
        for entry in list.map(str::trim).filter(|entry| !entry.is_empty()) {
            let listener = listener(entry)?;
            by_name.insert(listener.name.clone(), listener);
        }
    }
    let Some(names) = config.get("controller.listener.names") else {
        return invalid("controller.listener.names was not found");
    };
    let mut listeners: Vec<Listener> = Vec::new();
    for name in names.split(',').map(str::to_uppercase) {
        let Some(listener) = by_name.get(&name) else {
            return failed(format!(
                "Cannot find information about controller listener name: {name}"
            ));
        };
        if !listeners.contains(listener) {
            listeners.push(listener.clone());
        }
    }
    Ok(listeners)
}

/// Reads `name://host:port`.
fn listener(entry: &str) -> Result<Listener, Ending> {
    let form = Regex::new(r"^(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)$");
    let form = form.expect("it is a regular expression");
    let Some((_, [name, host, port])) = form.captures(entry).map(|it| it.extract()) else {
        return failed(format!("Unable to parse {entry} to a broker endpoint"));
    };
    let host = if host.is_empty() { "localhost" } else { host };
    Ok(Listener {
        name: name.to_uppercase(),
        host: host.to_owned(),
        port: number(port)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[&str]) -> Properties {
        let mut config = Properties::default();
        let pairs: Vec<String> = pairs.iter().map(|pair| (*pair).to_owned()).collect();
        config.add(&pairs);
        config
    }

    fn told<T: fmt::Debug>(outcome: Result<T, Ending>) -> String {
        outcome.expect_err("it is refused").to_string()
    }

    #[test]
    fn a_controller_is_told_by_its_config_and_its_directory() {
        let place = tempfile::tempdir().expect("a directory");
        let path = place.path().join("meta.properties");
        let text = "version=1\ncluster.id=c\nnode.id=5\ndirectory.id=wZoXPqWoSu6F6c8MkmdyAg\n";
        std::fs::write(path, text).expect("a file");
        let directory = format!("log.dirs= {},/other", place.path().display());

        let controller = Controller::of(&config(&[
            "node.id=5",
            "process.roles=controller,broker",
            &directory,
            "controller.listener.names=b,A,b",
            "listeners=A://:9093, B://:9094,C://:1",
            "advertised.listeners=B://[::1]:9095",
        ]));

        assert_eq!(
            controller.expect("a controller").to_string(),
            "5 with directory id wZoXPqWoSu6F6c8MkmdyAg and endpoints: B://[::1]:9095, A://localhost:9093"
        );
    }

    #[test]
    fn a_config_of_no_controller_is_refused() {
        let valid = "Is this a valid controller configuration file?";
        let id = |pairs: &[&str]| told(id(&config(pairs)));

        assert_eq!(
            id(&[]),
            format!("node.id not found in configuration file. {valid}")
        );
        assert_eq!(
            id(&["node.id=-4"]),
            format!("node.id was negative in configuration file. {valid}")
        );
        assert_eq!(id(&["node.id=x"]), "For input string: \"x\"");
        assert_eq!(
            id(&["node.id=4", "process.roles=broker"]),
            format!("process.roles did not contain 'controller' in configuration file. {valid}")
        );
        assert_eq!(
            told(directory(&config(&[]))),
            format!("Neither metadata.log.dir nor log.dirs were found. {valid}")
        );
    }

    #[test]
    fn listeners_that_are_not_there_are_refused() {
        let listeners = |pairs: &[&str]| told(listeners(&config(pairs)));

        assert_eq!(
            listeners(&["listeners=A://:1"]),
            "controller.listener.names was not found. Is this a valid controller configuration file?"
        );
        assert_eq!(
            listeners(&["listeners=A://:1", "controller.listener.names=B"]),
            "Cannot find information about controller listener name: B"
        );
        assert_eq!(
            listeners(&["listeners=A:1"]),
            "Unable to parse A:1 to a broker endpoint"
        );
    }

    #[test]
    fn a_directory_has_an_id() {
        let place = tempfile::tempdir().expect("a directory");
        let directory = place.path().display().to_string();

        assert_eq!(
            told(directory_id(&directory)),
            format!("Unable to read meta.properties from {directory}")
        );
        let text = "version=1\ncluster.id=c\nnode.id=5\n";
        std::fs::write(place.path().join("meta.properties"), text).expect("a file");
        assert_eq!(
            told(directory_id(&directory)),
            format!("No directory id found in {directory}")
        );
    }
}
