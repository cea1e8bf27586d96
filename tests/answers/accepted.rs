//! The differences from Apache Kafka that are meant, each with its reason. The test fails on any
//! other, and on one of these that is no longer there.

use std::fmt;

/// A difference that is meant. `*` stands for any text.
pub struct Accepted {
    /// The API's name.
    api: &'static str,
    /// The cases.
    cases: &'static [&'static str],
    /// The field, with its place.
    field: &'static str,
    /// Our value.
    ours: &'static str,
    /// Apache's value.
    apache: &'static str,
    /// Why it is so.
    reason: &'static str,
}

impl fmt::Display for Accepted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            api,
            cases,
            field,
            ours,
            apache,
            reason,
        } = self;
        write!(
            formatter,
            "{api}, {cases:?}, {field}: {ours} for {apache}, as {reason}"
        )
    }
}

impl Accepted {
    /// Whether a difference is this one. `values` are ours and Apache's.
    pub fn covers(&self, api: &str, case: &str, field: &str, values: (&str, &str)) -> bool {
        self.api == api
            && self.cases.iter().any(|pattern| matches(pattern, case))
            && matches(self.field, field)
            && matches(self.ours, values.0)
            && matches(self.apache, values.1)
    }
}

/// Whether `text` has the form of `pattern`.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(text) = text.strip_prefix(start) else {
        return false;
    };
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    rest.is_empty() || ends.into_iter().any(|at| matches(rest, &text[at..]))
}

/// Rows: the API; cases; field; our value, Apache's value; the reason.
macro_rules! accepted {
    ($($api:literal, [$($case:literal),+], $field:literal, $ours:literal, $apache:literal, $reason:literal;)*) => {
        /// The differences that are meant.
        pub const ACCEPTED: &[Accepted] = &[$(
            Accepted {
                api: $api,
                cases: &[$($case),+],
                field: $field,
                ours: $ours,
                apache: $apache,
                reason: $reason,
            },
        )*];
    };
}

accepted! {
    // Produce.
    "Produce", ["the transactional bit", "a transaction that nobody began", "*transactional id"],
        "*.error_code", "INVALID_*", "*",
        "transactions are not served yet: their batches are refused for good";
    "Produce", ["*transactional id"], "*.error_message", "*", "\"Unable to verify*",
        "transactions are not served yet";
    "Produce", ["zstd and half a frame"], "*.error_code", "INVALID_RECORD", "NONE",
        "Apache takes it for the end of the stream; other readers do not: see the README";
    "Produce", ["lz4 with an empty block that is compressed"], "*.error_code", "INVALID_RECORD", "NONE",
        "Apache stores it, and its own consumers stop there: see the README";
    "Produce", ["the transactional bit"], "*.log_start_offset", "0", "-1",
        "transactions are not served yet";
    "Fetch", ["what Produce * left"], "*.attributes", "0", "64",
        "a client does not say when tombstones may go: see the README";
    "Produce", ["offset deltas from 1", "an offset delta twice", "a negative offset delta"],
        "*.error_code", "INVALID_RECORD", "NONE",
        "Apache does not look at the offsets of records that are not compressed; a reader would see them";
    "Produce", ["zstd and half a frame", "lz4 with an empty block that is compressed", "offset deltas from 1", "an offset delta twice", "a negative offset delta"],
        "*.base_offset", "-1", "*", "what is refused has no offset";
    "Produce", ["log append time to a topic that has it"], "*.record_errors*", "*", "*",
        "the bit is the batch's: no record is at fault by itself";
    "Produce", ["a negative epoch"], "*.error_code", "INVALID_RECORD", "INVALID_PRODUCER_EPOCH",
        "an epoch below 0 is refused before the producer is looked up; both end the producer";
    "Produce", ["codec *", "* that is none", "* that is cut", "a huge length"],
        "*.error_code", "INVALID_RECORD", "UNKNOWN_SERVER_ERROR",
        "Apache runs into an exception; the batch is at fault, so say that";
    "Produce", ["magic 3", "magic -1", "a length of 0", "a negative length", "log append time to a topic that has it"],
        "*.error_message", "null", "\"*", "no client sends it, and no user reads it";
    "Produce", ["*key* for a compacted topic"], "*.error_message",
        "\"One or more records have been rejected due to *", "\"One or more records have been rejected due to *",
        "validation does not know the partition's name; the answer has it";
    "Produce", ["*key* for a compacted topic"], "*.batch_index_error_message",
        "\"Compacted topic cannot accept message without key\"", "\"Compacted topic cannot accept message without key in topic partition *",
        "validation does not know the partition's name; the answer has it";
    "Produce", ["a topic without partitions"], "responses*", "*", "*",
        "each topic is answered, also one of nothing";
    "Produce", ["a partition twice"], "*", "*", "*",
        "Apache takes the last batch and drops the others without a word; here each is appended and answered";
    "Produce", ["null records"], "*", "*", "*",
        "Apache runs into an exception and never answers";

    // Fetch.
    "Fetch", ["*"], "*.aborted_transactions", "null", "[]",
        "an error has no transactions; no client tells null from empty";
    "Fetch", ["isolation level 2", "isolation level -1"], "*", "*", "*",
        "Apache runs into an exception; any level but 0 reads what is committed";
    "Fetch", ["max bytes -*", "partition max bytes -*"], "*", "*", "*",
        "Apache runs into an exception; a negative limit is a limit of 0";
    "Fetch", ["a partition twice"], "*", "*", "*",
        "Apache reads the last of them only; here each is answered";

    // ListOffsets.
    "ListOffsets", ["no partitions"], "topics*", "*", "*",
        "each topic is answered, also one of nothing";
    "ListOffsets", ["isolation level 2", "isolation level -1"], "*", "*", "*",
        "Apache runs into an exception; any level but 0 counts what is committed";

    // CreateTopics, CreatePartitions, InitProducerId.
    "CreateTopics", ["a timeout of *"], "*", "*", "*",
        "the decision takes no time here, so that a deadline of 0 is not missed";
    "CreateTopics", ["*"], "*.configs[errors.deadletterqueue.group.enable]", "(there)", "(absent)", "a key of 4.4";
    "CreateTopics", ["*"], "*.configs[max.decompressed.message.bytes]", "(there)", "(absent)", "a key of 4.4";
    "CreateTopics", ["*"], "*.configs[remote.copy.lag.*]", "(there)", "(absent)", "a key of 4.4";
    "CreateTopics", ["a config with space*"], "*.value", "\"12345678\"", "\" 12345678 \"",
        "it is shown as it is understood, as DescribeConfigs does in both";
    "CreatePartitions", ["too many*"], "*", "*", "*",
        "Apache has no limit here, and fails while it makes so many; 10,000 is what CreateTopics allows";
    "InitProducerId", ["the transactional id \"mine\"*"], "error_code", "UNSUPPORTED_VERSION", "NOT_COORDINATOR",
        "transactions are not served yet: the attempt ends, instead of looking for a coordinator";

    // Metadata and DescribeTopicPartitions.
    "Metadata", ["a topic is created"], "topics*", "*", "*",
        "ARCHITECTURE.md, decision 15: the answer waits until the topic is there";
    "Metadata", ["no id and no name"], "*", "*", "*",
        "Apache runs into an exception; a topic without a name is no topic";
    "DescribeTopicPartitions", ["[\"a/b\", \"told\", \"\"], at most *"], "*", "*", "*",
        "Apache runs into an exception at an empty name; each topic is answered";

    // Configs.
    "DescribeConfigs", ["resource \"x\" of type *"], "*.error_message", "\"Unsupported resource type: *", "\"This most likely occurs*",
        "the message names what is not known";
    "DescribeConfigs", ["*"], "*.configs[errors.deadletterqueue.*]", "(there)", "(absent)", "keys of 4.4";
    "DescribeConfigs", ["*"], "*.configs[max.decompressed.message.bytes]", "(there)", "(absent)", "a key of 4.4";
    "DescribeConfigs", ["*"], "*.configs[*remote.copy.lag.*]", "(there)", "(absent)", "keys of 4.4";
    "DescribeConfigs", ["*"], "*.configs[group.streams.*]", "(there)", "(absent)", "keys of 4.4";
    "DescribeConfigs", ["*"], "*.configs[sasl.oauthbearer.allow.unverified.*]", "(there)", "(absent)", "keys of 4.4";
    "DescribeConfigs", ["*"], "*.configs[admin.*]", "(there)", "(absent)", "keys of our own";
    "DescribeConfigs", ["*"], "*.configs[broker.drain]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[cluster.id]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[disk.reserve.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[group.members.max.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[group.offsets.max.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[auto.create.topics.per.request.max]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[logging.*]", "(there)", "(absent)", "keys of our own";
    "DescribeConfigs", ["*"], "*.configs[open.files.max]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[request.receive.timeout.ms]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[quota.clients.max.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[request.decoded.max.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[response.max.bytes]", "(there)", "(absent)", "a key of our own";
    "DescribeConfigs", ["*"], "*.configs[scrub.*]", "(there)", "(absent)", "keys of our own";
    "DescribeConfigs", ["*"], "*.configs[max.connections*].*value", "*", "\"2147483647\"",
        "ARCHITECTURE.md, decision 10: finite by default";
    "DescribeConfigs", ["*"], "*.configs[queued.max.request.bytes].*value", "*", "\"-1\"",
        "ARCHITECTURE.md, decision 10: finite by default";
    "DescribeConfigs", ["*"], "*.configs[socket.*.buffer.bytes].*value", "\"-1\"", "\"102400\"",
        "ARCHITECTURE.md, decision 12: the system sizes the buffers";
    "DescribeConfigs", ["*"], "*.configs[socket.listen.backlog.size].*value", "*", "\"50\"",
        "clients that start together must not be turned away";
    "DescribeConfigs", ["*"], "*.configs[log.dir].*value", "\"data\"", "\"/tmp/kafka-logs\"",
        "data belongs where the broker was started, not where the system tidies up";
    "DescribeConfigs", ["*"], "*.configs[listeners].synonyms[listeners].value", "*", "*",
        "by default a node is controller too";
    "DescribeConfigs", ["*"], "*.configs[controller.listener.names].synonyms[controller.listener.names#2]", "(there)", "(absent)",
        "Apache has no default for it; a single node needs none of its settings";
    "DescribeConfigs", ["*"], "*.configs[node.id].synonyms[node.id#2]", "(there)", "(absent)",
        "Apache has no default for it; a single node needs none of its settings";
    "DescribeConfigs", ["*"], "*.configs[process.roles].synonyms[process.roles#2]", "(there)", "(absent)",
        "Apache has no default for it; a single node needs none of its settings";
    "AlterConfigs", ["a resource twice"], "*", "*", "*",
        "Apache runs into an exception and never answers";
    "IncrementalAlterConfigs", ["an unknown operation*", "a negative operation*"], "*", "*", "*",
        "Apache runs into an exception; the request is at fault, so say that";
    "IncrementalAlterConfigs", ["*: log.cleaner.threads=0*"], "*.error_message", "*", "*",
        "Apache divides by zero";
    "IncrementalAlterConfigs", ["*: listeners=*"], "*.error_message", "*", "*",
        "the message says what to do";

    // Groups.
    "OffsetCommit", ["a commit of [(\"committed\", [])]"], "topics*", "*", "*",
        "each topic is answered, also one of nothing";
    "OffsetFetch", ["what was committed of the epoch -2"], "*.committed_leader_epoch", "-1", "-2",
        "an epoch below 0 is none";
    "FindCoordinator", ["*, type 1"], "*error_*", "*", "*",
        "transactions are not served yet: the attempt ends";
    "FindCoordinator", ["*, type 2"], "*error_*", "*", "*",
        "share groups are not served yet: the attempt ends";
    "FindCoordinator", ["*, type 3", "*, type -1"], "*error_message", "\"*", "\"This most likely occurs*",
        "the message says that the request is at fault";

    // Moves and features.
    "AlterReplicaLogDirs", ["[(\"moved\", [])] to *"], "results*", "*", "*",
        "each topic is answered, also one of nothing";
    "ElectLeaders", ["*[0, 0])])"], "*.partition_result[0#2]", "(absent)", "(there)",
        "what is named again is elected and answered once";
    "ElectLeaders", ["an election of type 2 for Some([])", "an election of type -1 for Some([])"], "error_code", "INVALID_REQUEST", "NONE",
        "the type is unknown, also where nothing is to be elected";
    "AlterPartitionReassignments", ["no reassignments"], "error_message", "null", "\"\"",
        "where there is anything to reassign Apache has null, too";
    "UpdateFeatures", ["\"kraft.version\" at 0*"], "*.error_message", "null", "\"NONE\"",
        "no error needs no message";
    "UpdateFeatures", ["\"kraft.version\" at 1*", "\"kraft.version\" at 999*"], "*", "*", "*",
        "the quorum's voters are fixed for now: it is served at 0";

    // Quotas.
    "AlterClientQuotas", ["* of [(\"user\", Some(\"a\")), (\"user\", Some(\"b\"))]"], "*", "*", "*",
        "Apache takes the last of two names without a word";
    "AlterClientQuotas", ["* of [(\"user\", *), (\"ip\", *)]"], "*.error_message", "*should not be*", "*shouldnot be*",
        "a slip in Apache's words";
    "AlterClientQuotas", ["* = NaN of *"], "*", "*", "*",
        "what is not a number is no rate";

    // What only looks.
    "ApiVersions", ["*"], "api_keys[*]", "(absent)", "(there)",
        "an API is told when it is served";
    "ApiVersions", ["*"], "api_keys[18].max_version", "5", "4", "a version of 4.4";
    "ApiVersions", ["*"], "api_keys[42].max_version", "3", "2", "a version of 4.4";
    "ApiVersions", ["*"], "api_keys[71]", "(there)", "(absent)",
        "clients' telemetry is always taken here; Apache needs a plug-in for it";
    "ApiVersions", ["*"], "api_keys[72]", "(there)", "(absent)",
        "clients' telemetry is always taken here; Apache needs a plug-in for it";
    "ApiVersions", ["*"], "supported_features*", "*", "*", "a feature is told when it is served";
    "DescribeQuorum", ["[(\"__cluster_metadata\", 0)]"], "*.replica_directory_id", "*", "AAAAAAAAAAAAAAAAAAAAAA",
        "the leader knows the directory that its log is in";
    "DescribeLogDirs", ["all partitions"], "*topics[lax-*].*.partition_size", "*", "*",
        "what only Apache took is in its log";
    "DescribeLogDirs", ["all partitions"], "*topics[plain-*].*.partition_size", "*", "*",
        "streams that only Java's reader takes are stored anew, without their tails: see the README";

    // Connections.
    "Connection", ["a negative array"], "outcome", "closed", "*",
        "only -1 is null";
    "Connection", ["a text that is no UTF-8"], "outcome", "closed", "*",
        "a name that is no text would come back as another name";
    "Connection", ["API 18 version 6", "API 18 version 99"], "outcome", "a refusal *", "closed",
        "a request that ends before its tags is answered all the same: its version is known to be wrong";
}
