//! Topics that the broker keeps for itself: clients may read, not write them.

/// The topics of coordinators.
const NAMES: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// Whether `name` is a topic of a coordinator.
pub(super) fn is_internal(name: &str) -> bool {
    NAMES.contains(&name)
}
