//! Who may do what, and how they prove who they are: ACLs, SCRAM credentials and delegation
//! tokens, kept as the records that set them.

use std::sync::Arc;

use crate::metadata::image::{Change, SharedMap};
use crate::model::Uuid;
use crate::protocol::messages::metadata_records::{
    AccessControlEntryRecord, DelegationTokenRecord, RemoveAccessControlEntryRecord,
    RemoveDelegationTokenRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord,
};
use crate::protocol::{Message, decode_whole, encode_whole};

/// A copy of a record. The original's strings are slices of its batch, and would keep that alive.
fn own<T: Message>(record: &T) -> T {
    let bytes = encode_whole(record, T::MAX_VERSION);
    decode_whole(bytes, T::MAX_VERSION).expect("what was encoded can be decoded")
}

/// The access control entries, by their id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AclsImage {
    entries: SharedMap<Uuid, Arc<AccessControlEntryRecord>>,
}

impl AclsImage {
    /// All entries, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<AccessControlEntryRecord>> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// The entry with an id.
    pub fn get(&self, id: &Uuid) -> Option<&AccessControlEntryRecord> {
        self.entries.get(id).map(|entry| &**entry)
    }

    pub(in crate::metadata) fn set(
        &mut self,
        record: &AccessControlEntryRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        self.entries.insert(record.id, Arc::new(own(record)));
        changes(Change::Acl(record.id));
    }

    pub(in crate::metadata) fn remove(
        &mut self,
        record: &RemoveAccessControlEntryRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        self.entries.remove(&record.id);
        changes(Change::Acl(record.id));
    }
}

/// The SCRAM credentials, by Kafka's number of the mechanism and the user's name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScramImage {
    credentials: SharedMap<(i8, Arc<str>), Arc<UserScramCredentialRecord>>,
}

impl ScramImage {
    /// All credentials, by ascending mechanism and name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<UserScramCredentialRecord>> {
        self.credentials.iter().map(|(_, credential)| credential)
    }

    /// The credential of a user for a mechanism.
    pub fn get(&self, mechanism: i8, user: &str) -> Option<&UserScramCredentialRecord> {
        let key = (mechanism, Arc::from(user));
        self.credentials.get(&key).map(|credential| &**credential)
    }

    pub(in crate::metadata) fn set(
        &mut self,
        record: &UserScramCredentialRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        let user: Arc<str> = Arc::from(&*record.name);
        let key = (record.mechanism, Arc::clone(&user));
        self.credentials.insert(key, Arc::new(own(record)));
        changes(Change::Scram {
            mechanism: record.mechanism,
            user,
        });
    }

    pub(in crate::metadata) fn remove(
        &mut self,
        record: &RemoveUserScramCredentialRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        let user: Arc<str> = Arc::from(&*record.name);
        self.credentials
            .remove(&(record.mechanism, Arc::clone(&user)));
        changes(Change::Scram {
            mechanism: record.mechanism,
            user,
        });
    }
}

/// The delegation tokens, by their id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DelegationTokensImage {
    tokens: SharedMap<Arc<str>, Arc<DelegationTokenRecord>>,
}

impl DelegationTokensImage {
    /// All tokens, by ascending id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<DelegationTokenRecord>> {
        self.tokens.iter().map(|(_, token)| token)
    }

    /// The token with an id.
    pub fn get(&self, id: &str) -> Option<&DelegationTokenRecord> {
        self.tokens.get(id).map(|token| &**token)
    }

    pub(in crate::metadata) fn set(
        &mut self,
        record: &DelegationTokenRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        let id: Arc<str> = Arc::from(&*record.token_id);
        self.tokens.insert(Arc::clone(&id), Arc::new(own(record)));
        changes(Change::DelegationToken(id));
    }

    pub(in crate::metadata) fn remove(
        &mut self,
        record: &RemoveDelegationTokenRecord,
        changes: &mut dyn FnMut(Change),
    ) {
        self.tokens.remove(&*record.token_id);
        changes(Change::DelegationToken(Arc::from(&*record.token_id)));
    }
}
