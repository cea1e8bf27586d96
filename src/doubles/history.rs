//! Random histories for tests: records that each fit the state before them, from a seed.

use std::collections::BTreeSet;

use crate::metadata::image::MetadataImage;
use crate::model::{TopicId, Uuid};
use crate::protocol::Str;
use crate::protocol::messages::metadata_records::broker::{BrokerEndpoint, BrokerFeature};
use crate::protocol::messages::metadata_records::config::EntityData;
use crate::protocol::messages::metadata_records::controller::ControllerEndpoint;
use crate::protocol::messages::metadata_records::{
    AccessControlEntryRecord, BrokerRegistrationChangeRecord, ClearElrRecord, ClientQuotaRecord,
    ConfigRecord, DelegationTokenRecord, FeatureLevelRecord, FenceBrokerRecord, MetadataRecord,
    NoOpRecord, PartitionChangeRecord, PartitionRecord, ProducerIdsRecord, RegisterBrokerRecord,
    RegisterControllerRecord, RemoveAccessControlEntryRecord, RemoveDelegationTokenRecord,
    RemoveTopicRecord, RemoveUserScramCredentialRecord, TopicRecord, UnfenceBrokerRecord,
    UnregisterBrokerRecord, UnregisterControllerRecord, UserScramCredentialRecord,
};

/// A seeded source of numbers (SplitMix64).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Fills `bytes`, as the controller's entropy.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]);
        }
    }

    pub(crate) fn uuid(&mut self) -> Uuid {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        Uuid::from_bytes(bytes)
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> Option<T> {
        (!items.is_empty()).then(|| items[self.below(items.len())].clone())
    }

    fn number(&mut self, bound: usize) -> i32 {
        i32::try_from(self.below(bound)).expect("a record of a history can be replayed")
    }

    fn text(&mut self, kind: &str, bound: usize) -> Str {
        format!("{kind}-{}", self.below(bound)).into()
    }

    fn brokers(&mut self) -> Vec<i32> {
        let count = 1 + self.below(3);
        let ids: BTreeSet<i32> = (0..count).map(|_| self.number(5)).collect();
        ids.into_iter().collect()
    }
}

/// `count` records, of which the first sets `metadata.version`, and the image they give.
pub(crate) fn random_history(seed: u64, count: usize) -> (Vec<MetadataRecord>, MetadataImage) {
    let mut dice = Dice::new(seed);
    let mut image = MetadataImage::default();
    let mut records: Vec<MetadataRecord> = vec![feature("metadata.version", 30)];
    image
        .replay(&records[0], &mut |_| {})
        .expect("a record of a history can be replayed");
    while records.len() < count {
        let Some(record) = random_record(&mut dice, &image) else {
            continue;
        };
        image
            .replay(&record, &mut |_| {})
            .expect("a record of a history can be replayed");
        records.push(record);
    }
    (records, image)
}

fn feature(name: &'static str, feature_level: i16) -> MetadataRecord {
    let name = name.into();
    FeatureLevelRecord {
        name,
        feature_level,
    }
    .into()
}

/// A record that fits `image`; `None` if what was thrown does not.
fn random_record(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    match dice.below(100) {
        0..10 => topic(dice, image),
        10..14 => {
            let topic_id = any_topic(dice, image)?;
            Some(RemoveTopicRecord { topic_id }.into())
        }
        14..35 => partition(dice, image),
        35..55 => partition_change(dice, image),
        55..65 => Some(config(dice)),
        65..80 => broker(dice, image),
        80..84 => controller(dice, image),
        84..98 => security(dice, image),
        98 => Some(feature("metadata.version", 30)),
        _ => Some(NoOpRecord {}.into()),
    }
}

fn any_topic(dice: &mut Dice, image: &MetadataImage) -> Option<TopicId> {
    let ids: Vec<TopicId> = image.topics().iter().map(|topic| topic.id).collect();
    dice.pick(&ids)
}

fn topic(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    let name = dice.text("topic", 40);
    let topic_id = dice.uuid();
    let is_free = image.topics().id_of(&name).is_none();
    is_free.then(|| TopicRecord { name, topic_id }.into())
}

fn partition(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    let topic_id = any_topic(dice, image)?;
    let replicas = dice.brokers();
    let directories = replicas.iter().map(|_| dice.uuid()).collect();
    let elr = (dice.below(4) == 0).then(|| dice.brokers());
    Some(
        PartitionRecord {
            partition_id: dice.number(20),
            topic_id,
            isr: replicas.clone(),
            leader: replicas[0],
            replicas,
            leader_epoch: dice.number(5),
            partition_epoch: dice.number(9),
            directories,
            eligible_leader_replicas: elr.clone(),
            last_known_elr: elr,
            ..PartitionRecord::default()
        }
        .into(),
    )
}

fn partition_change(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    if dice.below(10) == 0 {
        let topic_name = any_topic(dice, image)
            .and_then(|id| image.topics().by_id(&id))
            .filter(|_| dice.below(2) == 0)
            .map_or(Str::EMPTY, |topic| Str::from(&topic.name));
        return Some(ClearElrRecord { topic_name }.into());
    }
    let topic_id = any_topic(dice, image)?;
    let topic = image.topics().by_id(&topic_id)?;
    let indexes: Vec<i32> = topic.partitions.iter().map(|(index, _)| *index).collect();
    let partition_id = dice.pick(&indexes)?;
    let brokers = dice.brokers();
    let mut change = PartitionChangeRecord {
        partition_id,
        topic_id,
        ..PartitionChangeRecord::default()
    };
    match dice.below(5) {
        0 => change.leader = brokers[0],
        1 => change.isr = Some(brokers),
        2 => {
            change.directories = Some(brokers.iter().map(|_| dice.uuid()).collect());
            change.replicas = Some(brokers);
        }
        3 => change.eligible_leader_replicas = Some(brokers),
        _ => {
            change.leader_recovery_state = 1;
            change.removing_replicas = Some(brokers.clone());
            change.adding_replicas = Some(brokers);
        }
    }
    Some(change.into())
}

fn config(dice: &mut Dice) -> MetadataRecord {
    let value = dice.text("value", 1_000);
    ConfigRecord {
        resource_type: [2, 4, 16, 32][dice.below(4)],
        resource_name: dice.text("topic", 40),
        name: dice.text("key", 5),
        value: (dice.below(3) > 0).then_some(value),
    }
    .into()
}

fn broker(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    let id = dice.number(5);
    let kind = dice.below(6);
    let Some(registered) = image.brokers().get(id.into()).filter(|_| kind > 0) else {
        return Some(registration(dice, id).into());
    };
    let epoch = registered.epoch;
    Some(match kind {
        1 => FenceBrokerRecord { id, epoch }.into(),
        2 => UnfenceBrokerRecord { id, epoch }.into(),
        3 => UnregisterBrokerRecord {
            broker_id: id,
            broker_epoch: epoch,
        }
        .into(),
        _ => {
            let directories = vec![dice.uuid(), dice.uuid()];
            let cordoned = dice.below(2) == 0;
            BrokerRegistrationChangeRecord {
                broker_id: id,
                broker_epoch: epoch,
                fenced: i8::try_from(dice.below(3)).expect("a record of a history can be replayed")
                    - 1,
                in_controlled_shutdown: i8::try_from(dice.below(2))
                    .expect("a record of a history can be replayed"),
                cordoned_log_dirs: cordoned.then(|| directories.clone()),
                log_dirs: directories,
            }
            .into()
        }
    })
}

fn registration(dice: &mut Dice, id: i32) -> RegisterBrokerRecord {
    RegisterBrokerRecord {
        broker_id: id,
        incarnation_id: dice.uuid(),
        broker_epoch: i64::from(dice.number(1_000)),
        end_points: vec![BrokerEndpoint {
            name: "PLAINTEXT".into(),
            host: dice.text("host", 9),
            port: 9092,
            security_protocol: 0,
        }],
        features: vec![BrokerFeature {
            name: "metadata.version".into(),
            min_supported_version: 7,
            max_supported_version: 30,
        }],
        rack: (dice.below(2) == 0).then(|| dice.text("rack", 3)),
        log_dirs: vec![dice.uuid(), dice.uuid()],
        ..RegisterBrokerRecord::default()
    }
}

fn controller(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    let controller_id = dice.number(5);
    if dice.below(3) == 0 {
        image.controllers().get(controller_id.into())?;
        return Some(UnregisterControllerRecord { controller_id }.into());
    }
    Some(
        RegisterControllerRecord {
            controller_id,
            incarnation_id: dice.uuid(),
            end_points: vec![ControllerEndpoint {
                name: "CONTROLLER".into(),
                host: dice.text("host", 9),
                port: 9093,
                security_protocol: 0,
            }],
            ..RegisterControllerRecord::default()
        }
        .into(),
    )
}

fn security(dice: &mut Dice, image: &MetadataImage) -> Option<MetadataRecord> {
    let name = dice.text("user", 9);
    let mechanism = i8::try_from(1 + dice.below(2)).expect("a record of a history can be replayed");
    Some(match dice.below(8) {
        0 => {
            let ids: Vec<Uuid> = image.acls().iter().map(|entry| entry.id).collect();
            let id = dice.pick(&ids)?;
            RemoveAccessControlEntryRecord { id }.into()
        }
        1 => RemoveUserScramCredentialRecord { name, mechanism }.into(),
        2 => RemoveDelegationTokenRecord { token_id: name }.into(),
        3 => AccessControlEntryRecord {
            id: dice.uuid(),
            principal: name,
            operation: 3,
            ..AccessControlEntryRecord::default()
        }
        .into(),
        4 => UserScramCredentialRecord {
            name,
            mechanism,
            iterations: 4_096 + dice.number(9),
            ..UserScramCredentialRecord::default()
        }
        .into(),
        5 => DelegationTokenRecord {
            token_id: name,
            renewers: vec![dice.text("user", 9)],
            ..DelegationTokenRecord::default()
        }
        .into(),
        6 => ProducerIdsRecord {
            broker_id: 1,
            next_producer_id: i64::from(dice.number(1_000_000)),
            ..ProducerIdsRecord::default()
        }
        .into(),
        _ => client_quota(dice),
    })
}

fn client_quota(dice: &mut Dice) -> MetadataRecord {
    let part = |entity_type: &'static str, entity_name| EntityData {
        entity_type: entity_type.into(),
        entity_name,
    };
    let mut entity = vec![part("user", Some(dice.text("user", 3)))];
    if dice.below(2) == 0 {
        entity.push(part("client-id", None));
    }
    ClientQuotaRecord {
        entity,
        key: dice.text("quota", 3),
        value: f64::from(dice.number(1_000)),
        remove: dice.below(3) == 0,
    }
    .into()
}
