//! The quotas that were set for clients: one value per entity and key (KIP-546).

use std::sync::Arc;

use crate::metadata::image::{Change, SharedMap};
use crate::protocol::messages::metadata_records::ClientQuotaRecord;
use crate::protocol::messages::metadata_records::config::EntityData;

/// What a quota applies to: parts such as ("user", Some("alice")), ascending by type. A part
/// without a name is the default of its type.
pub type QuotaEntity = Vec<(Arc<str>, Option<Arc<str>>)>;

/// All client quotas, by entity and key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientQuotasImage {
    quotas: SharedMap<(QuotaEntity, Arc<str>), f64>,
}

impl ClientQuotasImage {
    /// All quotas: entity, key, value.
    pub fn iter(&self) -> impl Iterator<Item = (&QuotaEntity, &str, f64)> {
        let quotas = self.quotas.iter();
        quotas.map(|((entity, key), value)| (entity, &**key, *value))
    }

    /// One quota of an entity, whose parts ascend by type.
    pub fn get(&self, entity: &QuotaEntity, key: &str) -> Option<f64> {
        let key = (entity.clone(), Arc::from(key));
        self.quotas.get(&key).copied()
    }

    pub(in crate::metadata) fn records(&self) -> impl Iterator<Item = ClientQuotaRecord> {
        self.iter().map(|(entity, key, value)| ClientQuotaRecord {
            entity: entity.iter().map(part_to_record).collect(),
            key: key.to_owned().into(),
            value,
            remove: false,
        })
    }

    pub(in crate::metadata) fn set(
        &mut self,
        record: &ClientQuotaRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        let mut entity: QuotaEntity = record.entity.iter().map(part_from_record).collect();
        entity.sort_unstable();
        let key = (entity.clone(), Arc::from(&*record.key));
        if record.remove {
            self.quotas.remove(&key);
        } else {
            self.quotas.insert(key, record.value);
        }
        changes(Change::ClientQuota(entity));
    }
}

fn part_from_record(part: &EntityData) -> (Arc<str>, Option<Arc<str>>) {
    let name = part.entity_name.as_deref().map(Arc::from);
    (Arc::from(&*part.entity_type), name)
}

fn part_to_record((kind, name): &(Arc<str>, Option<Arc<str>>)) -> EntityData {
    EntityData {
        entity_type: kind.into(),
        entity_name: name.as_ref().map(Into::into),
    }
}
