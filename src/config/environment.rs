//! Settings in the environment: `KAFKA_LOG_RETENTION_MS` is `log.retention.ms`, as the images of
//! Apache, Confluent and (with `KAFKA_CFG_`) Bitnami have it.
//!
//! In a variable's name one underscore stands for a dot, two for an underscore, three for a hyphen. A
//! variable whose name ends in `_FILE` names a file with the value, for secrets.

use super::keys;

const PREFIX: &str = "KAFKA_";
const BITNAMI_PREFIX: &str = "KAFKA_CFG_";
const FILE_SUFFIX: &str = "_FILE";

/// Prefixes of variables that people set for a JVM, for ZooKeeper, or in images: nothing here reads them.
const FOREIGN: [&str; 10] = [
    "KAFKA_HEAP_OPTS",
    "KAFKA_OPTS",
    "KAFKA_JVM_",
    "KAFKA_JMX_",
    "KAFKA_LOG4J_",
    "KAFKA_GC_",
    "KAFKA_ZOOKEEPER_",
    "KAFKA_DEBUG",
    "KAFKA_CLASSPATH",
    "KAFKA_HOME",
];

/// What a variable means to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The variable sets this key.
    Sets(String),
    /// The variable names a file that holds the value of this key.
    SetsFromFile(String),
    /// The variable is for Apache Kafka's own scripts, or the JVM.
    Foreign,
    /// The variable looks as if it set this key, which does not exist.
    Unknown(String),
    /// The variable is not for the broker.
    Nothing,
}

/// What the variable `name` means.
pub(super) fn meaning(name: &str) -> Meaning {
    if name == "CLUSTER_ID" {
        return Meaning::Sets("cluster.id".to_owned());
    }
    if FOREIGN.iter().any(|beginning| name.starts_with(beginning)) {
        return Meaning::Foreign;
    }
    let Some(rest) = name
        .strip_prefix(BITNAMI_PREFIX)
        .or_else(|| name.strip_prefix(PREFIX))
    else {
        return Meaning::Nothing;
    };
    let key = key_name(rest);
    if keys::broker_key_behind(&key).is_some() {
        return Meaning::Sets(key);
    }
    match rest.strip_suffix(FILE_SUFFIX).map(key_name) {
        Some(key) if keys::broker_key_behind(&key).is_some() => Meaning::SetsFromFile(key),
        _ => Meaning::Unknown(key),
    }
}

/// Whether the name has the plain `KAFKA_` form, or is `CLUSTER_ID`: these win over the Bitnami form.
pub(super) fn is_plain(name: &str) -> bool {
    !name.starts_with(BITNAMI_PREFIX)
}

/// The key that the rest of a variable's name stands for.
fn key_name(variable: &str) -> String {
    variable
        .to_ascii_lowercase()
        .replace("___", "-")
        .replace("__", "\0")
        .replace('_', ".")
        .replace('\0', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(key: &str) -> Meaning {
        Meaning::Sets(key.to_owned())
    }

    #[test]
    fn underscores_stand_for_dots_underscores_and_hyphens() {
        assert_eq!(key_name("LOG_RETENTION_MS"), "log.retention.ms");
        assert_eq!(key_name("LISTENER_NAME_A__B_X"), "listener.name.a_b.x");
        assert_eq!(key_name("LISTENER_NAME_A___B_X"), "listener.name.a-b.x");
    }

    #[test]
    fn both_prefixes_and_the_cluster_id_set_keys() {
        assert_eq!(meaning("KAFKA_LOG_DIRS"), sets("log.dirs"));
        assert_eq!(meaning("KAFKA_CFG_LOG_DIRS"), sets("log.dirs"));
        assert_eq!(meaning("CLUSTER_ID"), sets("cluster.id"));
        assert_eq!(
            meaning("KAFKA_LISTENER_NAME_IN_MAX_CONNECTIONS"),
            sets("listener.name.in.max.connections")
        );
    }

    #[test]
    fn a_file_holds_a_value_unless_the_key_itself_ends_so() {
        let from_file = Meaning::SetsFromFile("ssl.key.password".to_owned());

        assert_eq!(meaning("KAFKA_SSL_KEY_PASSWORD_FILE"), from_file);
        assert_eq!(
            meaning("KAFKA_SASL_OAUTHBEARER_ASSERTION_FILE"),
            sets("sasl.oauthbearer.assertion.file")
        );
    }

    #[test]
    fn what_kubernetes_and_a_jvm_have_there_sets_nothing() {
        let unknown = Meaning::Unknown("port.9092.tcp.addr".to_owned());

        assert_eq!(meaning("KAFKA_PORT_9092_TCP_ADDR"), unknown);
        assert_eq!(meaning("KAFKA_HEAP_OPTS"), Meaning::Foreign);
        assert_eq!(meaning("PATH"), Meaning::Nothing);
    }
}
