//! `describe --replication`: how far each voter and observer is, as a table.

use super::quorum::Quorum;
use crate::cli::tools::ending::Ending;
use crate::clock::wall_clock;
use crate::model::Timestamp;
use crate::protocol::messages::describe_quorum::ReplicaState;

const COLUMNS: [&str; 7] = [
    "NodeId",
    "DirectoryId",
    "LogEndOffset",
    "Lag",
    "LastFetchTimestamp",
    "LastCaughtUpTimestamp",
    "Status",
];

/// The lines of the table. Times are told as how long ago they were if a human reads them.
///
/// # Errors
/// The leader is not among the voters, or a time is none.
pub(super) fn text(quorum: &Quorum, for_humans: bool) -> Result<String, Ending> {
    table(quorum, for_humans.then(wall_clock))
}

/// The lines of the table; with the time at which ages are told.
fn table(quorum: &Quorum, now: Option<Timestamp>) -> Result<String, Ending> {
    let leader = quorum.leader()?;
    let voters = quorum.partition.current_voters.iter();
    let followers = voters.filter(|it| it.replica_id != leader.replica_id);
    let observers = quorum.partition.observers.iter();
    let all = std::iter::once((leader, "Leader"))
        .chain(followers.map(|it| (it, "Follower")))
        .chain(observers.map(|it| (it, "Observer")));
    let mut rows = vec![COLUMNS.map(str::to_owned)];
    for (replica, status) in all {
        rows.push(row(replica, status, leader.log_end_offset, now)?);
    }
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].len());
        cells.max().unwrap_or_default()
    });
    let mut table = String::new();
    for row in rows {
        for (cell, width) in row.iter().zip(widths) {
            table.push_str(&format!("{cell:width$}\t"));
        }
        table.push('\n');
    }
    Ok(table)
}

fn row(
    replica: &ReplicaState,
    status: &str,
    end: i64,
    now: Option<Timestamp>,
) -> Result<[String; 7], Ending> {
    Ok([
        replica.replica_id.to_string(),
        replica.replica_directory_id.to_string(),
        replica.log_end_offset.to_string(),
        (end - replica.log_end_offset).to_string(),
        time(replica.last_fetch_timestamp, now, "last fetch")?,
        time(replica.last_caught_up_timestamp, now, "last caught up")?,
        status.to_owned(),
    ])
}

fn time(timestamp: i64, now: Option<Timestamp>, what: &str) -> Result<String, Ending> {
    let now = match now {
        Some(Timestamp(now)) if timestamp != -1 => now,
        _ => return Ok(timestamp.to_string()),
    };
    if timestamp <= 0 || timestamp > now {
        return Err(Ending::Failed(format!(
            "Error while computing relative time, possible drift in system clock.\n\
             Current timestamp is {now}, {what} timestamp is {timestamp}"
        )));
    }
    Ok(format!("{} ms ago", now - timestamp))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::messages::describe_quorum::ResponsePartitionData;

    fn quorum() -> Quorum {
        let replica = |id, log_end_offset, fetched, caught_up| ReplicaState {
            replica_id: id,
            log_end_offset,
            last_fetch_timestamp: fetched,
            last_caught_up_timestamp: caught_up,
            ..ReplicaState::default()
        };
        Quorum {
            partition: ResponsePartitionData {
                leader_id: 2,
                current_voters: vec![replica(1, 7, 990, -1), replica(2, 10, 1_000, 1_000)],
                observers: vec![replica(100, 10, 995, 990)],
                ..ResponsePartitionData::default()
            },
            nodes: Vec::new(),
        }
    }

    #[test]
    fn the_leader_comes_first_and_cells_are_padded() {
        let table = table(&quorum(), None).expect("there is a leader");

        let expected = "\
NodeId\tDirectoryId           \tLogEndOffset\tLag\tLastFetchTimestamp\tLastCaughtUpTimestamp\tStatus  \t
2     \tAAAAAAAAAAAAAAAAAAAAAA\t10          \t0  \t1000              \t1000                 \tLeader  \t
1     \tAAAAAAAAAAAAAAAAAAAAAA\t7           \t3  \t990               \t-1                   \tFollower\t
100   \tAAAAAAAAAAAAAAAAAAAAAA\t10          \t0  \t995               \t990                  \tObserver\t
";
        assert_eq!(table, expected);
    }

    #[test]
    fn humans_read_ages_and_a_time_to_come_is_an_error() {
        let later = table(&quorum(), Some(Timestamp(1_005))).expect("there is a leader");
        let earlier = table(&quorum(), Some(Timestamp(999)));

        let told = |line: usize| later.lines().nth(line).unwrap_or_default().to_owned();
        assert!(told(1).contains("\t5 ms ago          \t5 ms ago             \tLeader"));
        assert!(told(2).contains("\t15 ms ago         \t-1                   \tFollower"));
        assert_eq!(
            earlier.expect_err("the clock is behind").to_string(),
            "Error while computing relative time, possible drift in system clock.\n\
             Current timestamp is 999, last fetch timestamp is 1000"
        );
    }
}
