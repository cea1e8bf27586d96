//! One broker of each kind, with the same settings, for all clients.

use std::fs;

use crate::support::apache::{Apache, ApacheBroker};
use crate::support::{Broker, path_text};

/// Unknown topics stay unknown, so that they are an error, and a group does not wait long for more
/// members before it first shares partitions out.
const SETTINGS: [(&str, &str); 3] = [
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "500"),
    ("offsets.topic.replication.factor", "1"),
];

/// Both brokers; they end with this value.
pub struct Brokers {
    ours: Broker,
    /// Only held: it ends when it is dropped.
    _apache: ApacheBroker,
    apache_bootstrap: String,
    _directory: tempfile::TempDir,
}

impl Brokers {
    /// Starts both, or says loudly that there is no Apache Kafka here.
    pub fn start() -> Option<Self> {
        let apache = Apache::find()?;
        let directory = tempfile::tempdir().expect("a temporary directory");
        let host = own_address();
        let mut properties = format!(
            "process.roles=broker,controller\nnode.id=1\n\
             controller.quorum.voters=1@{host}:19093\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://{host}:19092,CONTROLLER://{host}:19093\nlog.dirs={}\n",
            path_text(&directory.path().join("data"))
        );
        for (key, value) in SETTINGS {
            properties.push_str(&format!("{key}={value}\n"));
        }
        let path = directory.path().join("server.properties");
        fs::write(&path, properties).expect("the properties can be written");
        apache.format(&path, "JLLkEA6XQ0C3ANB0bHMI-g");
        Some(Self {
            _apache: apache.start(&path),
            apache_bootstrap: format!("{host}:19092"),
            ours: Broker::start_with(&SETTINGS),
            _directory: directory,
        })
    }

    /// Where ours listens.
    pub fn ours(&self) -> &str {
        self.ours.bootstrap()
    }

    /// Where Apache Kafka listens.
    pub fn apache(&self) -> &str {
        &self.apache_bootstrap
    }
}

/// An address of 127/8 for this process alone, so that Apache Kafka's ports can be fixed.
fn own_address() -> String {
    let pid = std::process::id();
    format!("127.21.{}.{}", (pid >> 8) & 0xff, pid & 0xff)
}
