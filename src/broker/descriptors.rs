//! How the descriptors that the process may have are shared out: to files of logs, to connections that others
//! open, and to all else. Who uses up his share takes nobody else's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::config::{BrokerConfig, NetworkConfig, StorageConfig};

/// Stands for no limit: no kernel gives more descriptors.
const UNLIMITED: u64 = 1 << 20;

/// How many files of logs may be open at a time: as configured, or half of what the process may open.
pub(super) fn for_files(config: &StorageConfig) -> usize {
    let configured = config.open_files_max.map(usize::try_from);
    configured.and_then(Result::ok).unwrap_or(allowed() / 2)
}

/// The network's config with no more connections of others than what files leave, less a part for all else:
/// connections to other nodes, those of brokers, directories, the runtime. A broker that clients took the last
/// descriptor of would lead on, and neither copy nor be copied.
pub(super) fn bounded(config: &BrokerConfig) -> NetworkConfig {
    let most = for_connections(allowed(), for_files(&config.storage));
    let network = config.network.clone();
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    NetworkConfig {
        max_connections: network.max_connections.min(most),
        ..network
    }
}

/// How many of the allowed descriptors are for connections of others, beside so many for files. Those are a bound
/// that a broker of few partitions never comes to: where it leaves too little, a quarter of all is left, so that no
/// setting keeps everybody out.
fn for_connections(allowed: usize, for_files: usize) -> usize {
    let left = allowed.saturating_sub(for_files).max(allowed / 4);
    left - for_all_else(left)
}

/// How many connections the admin listeners may have: few, and they are among all else.
pub(super) fn for_admins() -> usize {
    const MOST: usize = 32;
    (allowed() / 32).clamp(4, MOST)
}

/// A quarter of what files leave; no less than twice what a node of three has with few clients, some 50, and no
/// more than four times that. Where even that is not there, three quarters.
fn for_all_else(left: usize) -> usize {
    (left / 4).clamp(100, 200).min(left / 4 * 3)
}

/// Raises the soft limit of descriptors to the hard one, as any broker's operator would. Returns the limit.
fn allowed() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let allowed = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    usize::try_from(allowed.unwrap_or(UNLIMITED)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{for_all_else, for_connections};

    #[test]
    fn files_that_may_have_all_descriptors_leave_some_to_connections() {
        assert_eq!(for_connections(1 << 20, 1 << 19), (1 << 19) - 200);
        assert_eq!(for_connections(1024, 1000), 156);
        assert_eq!(for_connections(1024, usize::MAX), 156);
        assert!(for_connections(64, usize::MAX) > 0);
    }

    #[test]
    fn clients_have_most_of_many_descriptors_and_few_of_few() {
        assert_eq!(for_all_else(1 << 19), 200);
        assert_eq!(for_all_else(512), 128);
        assert_eq!(for_all_else(200), 100);
        assert_eq!(for_all_else(128), 96);
        assert_eq!(for_all_else(32), 24);
        assert_eq!(for_all_else(0), 0);
    }
}
