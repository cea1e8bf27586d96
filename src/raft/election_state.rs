//! What a replica must not forget between two starts: its epoch, and whom it follows or voted for.
//! The file `quorum-state` holds it as one line of JSON.
//!
//! Version 0 is what Apache writes with static voters (kraft.version 0), byte for byte; version 1
//! (KIP-853) has the directory id of the vote and no voters. Both are read.

use serde::{Deserialize, Serialize};

use super::voters::{ReplicaKey, Voters};
use crate::model::{BrokerId, LeaderEpoch, Uuid};

/// The file's name, in the directory of the metadata log.
pub const FILE_NAME: &str = "quorum-state";

/// The epoch, and what is known or promised in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ElectionState {
    /// The highest epoch that this replica has seen.
    pub epoch: LeaderEpoch,
    /// The leader of that epoch, once it is known.
    pub leader: Option<BrokerId>,
    /// The replica that this one voted for in the epoch. A leader's vote for itself is not kept: being the
    /// leader already forbids any other vote.
    pub voted: Option<ReplicaKey>,
}

/// Why a `quorum-state` file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ElectionStateError {
    /// The file is not JSON, or lacks fields that its version needs.
    #[error("not a quorum state: {0}")]
    Malformed(#[from] serde_json::Error),
    /// The version is one that only a later Kafka writes.
    #[error("data_version {0} is not one of 0 and 1")]
    UnknownVersion(i16),
    /// A number is below 0, which no Kafka writes.
    #[error("{field} is {value}, which is below -1")]
    Negative {
        /// The name of the JSON field.
        field: &'static str,
        /// The field's value.
        value: i32,
    },
    /// The directory id of the vote is not an id.
    #[error("votedDirectoryId: {0}")]
    Directory(#[from] crate::model::InvalidUuid),
}

/// Fields in Apache's order. The cluster id and the applied offset were never used.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Version0<'a> {
    cluster_id: &'a str,
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    applied_offset: i64,
    current_voters: Vec<VoterField>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct VoterField {
    voter_id: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnyVersion {
    leader_id: i32,
    leader_epoch: i32,
    voted_id: i32,
    voted_directory_id: Option<String>,
    #[serde(default)]
    current_voters: Vec<VoterField>,
    #[serde(rename = "data_version")]
    data_version: i16,
}

/// The voters that the file names: those of the quorum that it was written in. `None` if it names none, as
/// in version 1.
///
/// # Errors
/// The file is not JSON, or lacks fields.
pub fn voters_of(content: &[u8]) -> Result<Option<Voters>, ElectionStateError> {
    let file: AnyVersion = serde_json::from_slice(content)?;
    let ids = file.current_voters.iter();
    let voters = Voters::new(ids.map(|voter| BrokerId(voter.voter_id)));
    Ok((!voters.ids().is_empty()).then_some(voters))
}

impl ElectionState {
    /// The file's content in version 0, as Apache writes it: without a line end.
    pub fn to_json(&self, voters: &Voters) -> String {
        let raw_id = |id: Option<BrokerId>| id.unwrap_or(BrokerId::NONE).0;
        let file = Version0 {
            cluster_id: "",
            leader_id: raw_id(self.leader),
            leader_epoch: self.epoch.0,
            voted_id: raw_id(self.voted.map(|key| key.id)),
            applied_offset: 0,
            current_voters: voters
                .ids()
                .iter()
                .map(|id| VoterField { voter_id: id.0 })
                .collect(),
            data_version: 0,
        };
        serde_json::to_string(&file).expect("numbers and strings are JSON")
    }

    /// Reads either version.
    pub fn from_json(content: &[u8]) -> Result<Self, ElectionStateError> {
        let file: AnyVersion = serde_json::from_slice(content)?;
        if !(0..=1).contains(&file.data_version) {
            return Err(ElectionStateError::UnknownVersion(file.data_version));
        }
        let fields = [
            ("leaderId", file.leader_id),
            ("leaderEpoch", file.leader_epoch),
            ("votedId", file.voted_id),
        ];
        if let Some((field, value)) = fields.into_iter().find(|(_, value)| *value < -1) {
            return Err(ElectionStateError::Negative { field, value });
        }
        let directory = file.voted_directory_id.filter(|_| file.data_version == 1);
        let directory = directory.map(|text| text.parse::<Uuid>()).transpose()?;
        let id = |raw: i32| (raw >= 0).then_some(BrokerId(raw));
        Ok(Self {
            epoch: LeaderEpoch(file.leader_epoch.max(0)),
            leader: id(file.leader_id),
            voted: id(file.voted_id).map(|id| ReplicaKey {
                id,
                directory_id: directory.filter(|directory| !directory.is_zero()),
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Apache Kafka 4.3.1 left it after its second start, a single static voter with id 1.
    const BY_APACHE: &str = r#"{"clusterId":"","leaderId":1,"leaderEpoch":2,"votedId":-1,"appliedOffset":0,"currentVoters":[{"voterId":1}],"data_version":0}"#;

    #[test]
    fn a_leaders_state_is_written_as_apache_writes_it() {
        let state = ElectionState {
            epoch: LeaderEpoch(2),
            leader: Some(BrokerId(1)),
            voted: None,
        };

        assert_eq!(state.to_json(&Voters::new([BrokerId(1)])), BY_APACHE);
        assert_eq!(
            ElectionState::from_json(BY_APACHE.as_bytes()).unwrap(),
            state
        );
    }

    #[test]
    fn a_vote_of_version_0_is_read_back_without_its_directory() {
        let state = ElectionState {
            epoch: LeaderEpoch(7),
            leader: None,
            voted: Some(ReplicaKey {
                id: BrokerId(3),
                directory_id: Some(Uuid::from_bytes([9; 16])),
            }),
        };

        let json = state.to_json(&Voters::new([3, 1, 2].map(BrokerId)));
        let read = ElectionState::from_json(json.as_bytes()).unwrap();

        let voters = r#""currentVoters":[{"voterId":1},{"voterId":2},{"voterId":3}]"#;
        assert!(json.contains(voters), "{json}");
        let voted = Some(ReplicaKey {
            id: BrokerId(3),
            directory_id: None,
        });
        assert_eq!(read, ElectionState { voted, ..state });
    }

    #[test]
    fn version_1_is_read_with_the_directory_of_the_vote() {
        let content = br#"{"leaderId":-1,"leaderEpoch":2,"votedId":1,"votedDirectoryId":"J8aAPcfLQt2bqs1JT_rMgQ","data_version":1}"#;

        let state = ElectionState::from_json(content).unwrap();

        assert_eq!(state.epoch, LeaderEpoch(2));
        assert_eq!(state.leader, None);
        let directory_id = Some("J8aAPcfLQt2bqs1JT_rMgQ".parse().unwrap());
        assert_eq!(
            state.voted,
            Some(ReplicaKey {
                id: BrokerId(1),
                directory_id
            })
        );
    }

    #[test]
    fn what_no_kafka_writes_is_refused() {
        let broken: [&[u8]; 5] = [
            b"",
            b"{}",
            br#"{"leaderId":-1,"leaderEpoch":2,"votedId":1}"#,
            br#"{"leaderId":-1,"leaderEpoch":2,"votedId":1,"data_version":2}"#,
            br#"{"leaderId":-7,"leaderEpoch":2,"votedId":1,"data_version":0}"#,
        ];

        for content in broken {
            assert!(ElectionState::from_json(content).is_err(), "{content:?}");
        }
    }
}
