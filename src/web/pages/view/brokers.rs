//! Brokers, one broker, and the log directories of all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Known;
use crate::config::{BROKER_DRAIN, host_and_port};
use crate::metadata::image::{BrokerImage, ResourceKind};
use crate::model::BrokerId;
use crate::web::pages::survey::{Config, Directory};

/// The brokers of the cluster.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Brokers {
    pub(in crate::web::pages) brokers: Vec<Broker>,
}

/// What a broker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(in crate::web::pages) enum BrokerState {
    Serving,
    /// Leaders go elsewhere, as the operator wishes.
    Drained,
    /// It hands its partitions over in order to stop.
    Stopping,
    /// The controller does not hear of it.
    Fenced,
}

/// A broker.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct Broker {
    pub(in crate::web::pages) id: i32,
    pub(in crate::web::pages) state: BrokerState,
    pub(in crate::web::pages) rack: Option<String>,
    /// `LISTENER://host:port`.
    pub(in crate::web::pages) addresses: Vec<String>,
    pub(in crate::web::pages) is_controller: bool,
    pub(in crate::web::pages) leaders: usize,
    pub(in crate::web::pages) replicas: usize,
    /// Of those, replicas that are not in sync.
    pub(in crate::web::pages) out_of_sync: usize,
    /// Bytes of its logs, if it has told.
    pub(in crate::web::pages) bytes: Option<u64>,
    pub(in crate::web::pages) directories: Vec<DirectoryRow>,
    /// Why something is missing.
    pub(in crate::web::pages) trouble: Option<String>,
}

/// A log directory.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct DirectoryRow {
    pub(in crate::web::pages) broker: i32,
    pub(in crate::web::pages) path: String,
    pub(in crate::web::pages) error: Option<String>,
    pub(in crate::web::pages) replicas: usize,
    pub(in crate::web::pages) log_bytes: u64,
    pub(in crate::web::pages) disk_bytes: Option<u64>,
    pub(in crate::web::pages) free_bytes: Option<u64>,
    pub(in crate::web::pages) is_cordoned: bool,
}

/// One broker.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct OneBroker {
    #[serde(flatten)]
    pub(in crate::web::pages) broker: Broker,
    pub(in crate::web::pages) configs: Vec<Config>,
    /// Why they are not known.
    pub(in crate::web::pages) configs_trouble: Option<String>,
}

/// The log directories of all brokers.
#[derive(Debug, Serialize)]
pub(in crate::web::pages) struct LogDirectories {
    pub(in crate::web::pages) directories: Vec<DirectoryRow>,
    /// Brokers of which something is missing, and why.
    pub(in crate::web::pages) missing: BTreeMap<i32, String>,
}

#[derive(Clone, Copy, Default)]
struct Held {
    leaders: usize,
    replicas: usize,
    out_of_sync: usize,
}

impl Known {
    /// Whether the operator has drained a broker.
    pub(in crate::web::pages) fn is_drained(&self, id: i32) -> bool {
        let configs = self.image.configs();
        let set = configs.get(ResourceKind::Broker, &id.to_string(), BROKER_DRAIN);
        set.is_some_and(|value| &**value == "true")
    }

    fn held(&self) -> BTreeMap<BrokerId, Held> {
        let mut held: BTreeMap<BrokerId, Held> = BTreeMap::new();
        for topic in self.image.topics().iter() {
            for (_, partition) in topic.partitions.iter() {
                for id in &partition.replicas {
                    let of_broker = held.entry(*id).or_default();
                    of_broker.replicas += 1;
                    of_broker.out_of_sync += usize::from(!partition.isr.contains(id));
                }
                if partition.leader != BrokerId::NONE {
                    held.entry(partition.leader).or_default().leaders += 1;
                }
            }
        }
        held
    }

    fn broker(&self, broker: &BrokerImage, held: Held) -> Broker {
        let id = broker.id.0;
        let told = self.survey.brokers.get(&id);
        let quorum = self.survey.quorum.as_ref().and_then(|it| it.as_ref().ok());
        let directories: Vec<DirectoryRow> = told
            .into_iter()
            .flat_map(|told| &told.directories)
            .map(|directory| row(id, directory))
            .collect();
        let has_told = !directories.is_empty();
        let addresses = broker.endpoints.iter().map(|it| {
            let address = host_and_port(&it.host, it.port);
            format!("{}://{address}", it.listener)
        });
        Broker {
            id,
            state: self.state(broker),
            rack: broker.rack.as_ref().map(ToString::to_string),
            addresses: addresses.collect(),
            is_controller: quorum.is_some_and(|it| it.leader == Some(id)),
            leaders: held.leaders,
            replicas: held.replicas,
            out_of_sync: held.out_of_sync,
            bytes: has_told.then(|| directories.iter().map(|it| it.log_bytes).sum()),
            directories,
            trouble: match told {
                Some(told) => told.trouble.clone(),
                None => Some("it was not asked yet".to_owned()),
            },
        }
    }

    fn state(&self, broker: &BrokerImage) -> BrokerState {
        if broker.fenced {
            BrokerState::Fenced
        } else if broker.in_controlled_shutdown {
            BrokerState::Stopping
        } else if self.is_drained(broker.id.0) {
            BrokerState::Drained
        } else {
            BrokerState::Serving
        }
    }
}

fn row(broker: i32, directory: &Directory) -> DirectoryRow {
    DirectoryRow {
        broker,
        path: directory.path.clone(),
        error: directory.error.clone(),
        replicas: directory.replicas,
        log_bytes: directory.logs,
        disk_bytes: directory.total,
        free_bytes: directory.free,
        is_cordoned: directory.is_cordoned,
    }
}

impl Brokers {
    /// All of them.
    pub(in crate::web::pages) fn of(known: &Known) -> Self {
        let held = known.held();
        let of_broker = |id: BrokerId| held.get(&id).copied().unwrap_or_default();
        let brokers = known.image.brokers().iter();
        let brokers = brokers.map(|it| known.broker(it, of_broker(it.id)));
        Self {
            brokers: brokers.collect(),
        }
    }
}

impl OneBroker {
    /// The broker with this id, if there is one.
    pub(in crate::web::pages) fn of(known: &Known, id: i32) -> Option<Self> {
        let broker = known.image.brokers().get(BrokerId(id))?;
        let held = known.held().get(&BrokerId(id)).copied();
        let (configs, configs_trouble) = known.configs();
        Some(Self {
            broker: known.broker(broker, held.unwrap_or_default()),
            configs,
            configs_trouble,
        })
    }
}

impl Known {
    /// The configs that were asked for, or why there are none.
    pub(in crate::web::pages) fn configs(&self) -> (Vec<Config>, Option<String>) {
        match self.details.as_ref().map(|details| &details.configs) {
            None => (Vec::new(), Some("they were not asked for".to_owned())),
            Some(Ok(configs)) => (configs.clone(), None),
            Some(Err(why)) => (Vec::new(), Some(why.clone())),
        }
    }
}

impl LogDirectories {
    /// Those of all brokers.
    pub(in crate::web::pages) fn of(known: &Known) -> Self {
        let mut directories = Vec::new();
        let mut missing = BTreeMap::new();
        for (id, told) in &known.survey.brokers {
            directories.extend(told.directories.iter().map(|it| row(*id, it)));
            if let Some(why) = &told.trouble {
                missing.insert(*id, why.clone());
            }
        }
        Self {
            directories,
            missing,
        }
    }
}
