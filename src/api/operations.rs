//! The operations that a principal may perform, as the bit fields of Metadata and DescribeCluster.
//!
//! Without an authorizer everyone may do everything that the kind of resource knows, as in Kafka.

/// Kafka's codes of ACL operations.
mod code {
    pub(super) const READ: u8 = 3;
    pub(super) const WRITE: u8 = 4;
    pub(super) const CREATE: u8 = 5;
    pub(super) const DELETE: u8 = 6;
    pub(super) const ALTER: u8 = 7;
    pub(super) const DESCRIBE: u8 = 8;
    pub(super) const CLUSTER_ACTION: u8 = 9;
    pub(super) const DESCRIBE_CONFIGS: u8 = 10;
    pub(super) const ALTER_CONFIGS: u8 = 11;
    pub(super) const IDEMPOTENT_WRITE: u8 = 12;
}

/// The field's value when the client did not ask.
pub const NOT_ASKED: i32 = i32::MIN;

/// All operations that a topic knows.
pub const TOPIC: i32 = bits(&[
    code::READ,
    code::WRITE,
    code::CREATE,
    code::DELETE,
    code::ALTER,
    code::DESCRIBE,
    code::DESCRIBE_CONFIGS,
    code::ALTER_CONFIGS,
]);

/// All operations that the cluster knows.
pub const CLUSTER: i32 = bits(&[
    code::CREATE,
    code::ALTER,
    code::DESCRIBE,
    code::CLUSTER_ACTION,
    code::DESCRIBE_CONFIGS,
    code::ALTER_CONFIGS,
    code::IDEMPOTENT_WRITE,
]);

/// All operations that a group knows.
pub const GROUP: i32 = bits(&[
    code::READ,
    code::DELETE,
    code::DESCRIBE,
    code::DESCRIBE_CONFIGS,
    code::ALTER_CONFIGS,
]);

const fn bits(codes: &[u8]) -> i32 {
    let mut field = 0;
    let mut n = 0;
    while n < codes.len() {
        field |= 1 << codes[n];
        n += 1;
    }
    field
}
