//! What an operator should know of a config that is taken all the same, because Kafka takes it. Kafka logs
//! the first two as well.

use super::broker::BrokerConfig;
use super::view::View;

/// Sentences about values that are allowed, but hardly meant.
pub(super) fn of(view: &View<'_>, config: &BrokerConfig) -> Vec<String> {
    let notices = [
        heartbeats(config),
        controller_names(view, config),
        own_port(view, config),
        in_sync_replicas(config),
    ];
    notices.into_iter().flatten().collect()
}

/// One heartbeat that is lost must not fence a broker.
fn heartbeats(config: &BrokerConfig) -> Option<String> {
    let interval = config.quorum.broker_heartbeat_interval_ms;
    let session = config.quorum.broker_session_timeout_ms;
    (i64::from(interval) * 2 > i64::from(session)).then(|| {
        format!(
            "broker.heartbeat.interval.ms, {interval}, is more than half of \
             broker.session.timeout.ms, {session}: one heartbeat that is late fences a broker"
        )
    })
}

fn controller_names(view: &View<'_>, config: &BrokerConfig) -> Option<String> {
    let names = view.list("controller.listener.names");
    let is_unused = !config.node.process_roles.is_controller() && names.len() > 1;
    is_unused.then(|| {
        format!(
            "controller.listener.names has {} entries; as this node is only a broker, it asks \
             controllers over the first, {}",
            names.len(),
            config.network.listeners.to_controllers
        )
    })
}

/// The port at which the other nodes look for this one may be forwarded, so Kafka does not compare it.
fn own_port(view: &View<'_>, config: &BrokerConfig) -> Option<String> {
    let (node, listeners) = (&config.node, &config.network.listeners);
    let mut voters = node.controller_quorum_voters.iter();
    let own = voters.find(|voter| voter.id == node.node_id)?;
    let mut told = listeners.controller.iter().collect::<Vec<_>>();
    if view.is_set("advertised.listeners") {
        told.extend(&listeners.advertised_controller);
    }
    let is_there = told
        .iter()
        .any(|endpoint| endpoint.port == own.port || endpoint.port == 0);
    (!is_there).then(|| {
        format!(
            "controller.quorum.voters says that this node is {own}, but no controller listener \
             has port {}: other nodes reach it only if something forwards that port",
            own.port
        )
    })
}

fn in_sync_replicas(config: &BrokerConfig) -> Option<String> {
    let least = config.topic_defaults.min_insync_replicas;
    let factor = config.topics.default_replication_factor;
    (factor > 0 && least > factor).then(|| {
        format!(
            "min.insync.replicas, {least}, is above default.replication.factor, {factor}: a topic \
             that is created without values of its own takes no record with acks=all"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    fn notices(pairs: &[(&str, &str)]) -> Vec<String> {
        let settings: Settings = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        let layers = Layers::of(&settings);
        of(&View { layers }, &BrokerConfig::read(&layers).unwrap())
    }

    #[test]
    fn nothing_is_said_of_a_config_that_is_meant_so() {
        let meant: [&[(&str, &str)]; 5] = [
            &[],
            &[("broker.heartbeat.interval.ms", "4500")],
            &[("controller.quorum.voters", "1@localhost:9093")],
            &[
                ("controller.quorum.voters", "1@a:19093"),
                (
                    "advertised.listeners",
                    "PLAINTEXT://a:1,CONTROLLER://a:19093",
                ),
            ],
            &[
                ("min.insync.replicas", "2"),
                ("default.replication.factor", "3"),
            ],
        ];
        for pairs in meant {
            assert_eq!(notices(pairs), [""; 0], "{pairs:?}");
        }
    }

    #[test]
    fn a_session_of_less_than_two_heartbeats_is_noticed() {
        let notices = notices(&[("broker.heartbeat.interval.ms", "4501")]);

        assert!(notices[0].starts_with("broker.heartbeat.interval.ms, 4501, "));
    }

    #[test]
    fn a_port_of_this_voter_on_which_nothing_listens_is_noticed() {
        let notices = notices(&[("controller.quorum.voters", "1@a:19093")]);

        let expected = "controller.quorum.voters says that this node is 1@a:19093, but no \
                        controller listener has port 19093";
        assert!(notices[0].starts_with(expected), "{notices:?}");
    }

    #[test]
    fn listeners_that_a_broker_does_not_use_are_noticed() {
        let notices = notices(&[
            ("process.roles", "broker"),
            ("node.id", "2"),
            ("cluster.id", "MkU3OEVBNTcwNTJENDM2Qg"),
            ("controller.quorum.voters", "1@a:9093"),
            ("controller.listener.names", "CTL,OTHER"),
        ]);

        assert_eq!(
            notices,
            [
                "controller.listener.names has 2 entries; as this node is only a broker, it asks \
              controllers over the first, CTL"
            ]
        );
    }

    #[test]
    fn more_replicas_in_sync_than_there_are_is_noticed_as_kafka_takes_it() {
        let notices = notices(&[("min.insync.replicas", "2")]);

        assert!(
            notices[0].contains("takes no record with acks=all"),
            "{notices:?}"
        );
    }
}
