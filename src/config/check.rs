//! Checks across keys: Kafka's, and refusals of what is not built yet, so that nobody believes that it is
//! at work.

use super::replication::RACK_AWARE_SELECTOR;
use super::roles::Roles;
use super::topic::TopicConfig;
use super::value::InvalidValue;
use super::view::View;

/// The key that drains a broker. It has no view: the controller reads it of all brokers' dynamic configs.
pub const BROKER_DRAIN: &str = "broker.drain";

type Check = Result<(), InvalidValue>;

/// Checks everything but the listeners, which [`super::listeners`] checks.
pub(super) fn together(view: &View<'_>, topic_defaults: &TopicConfig) -> Check {
    ids(view)?;
    brokers_lives(view)?;
    not_there_yet(view)?;
    drain(view)?;
    times_of_the_log(view)?;
    compaction(view, topic_defaults)?;
    replication(view)?;
    sessions_of_groups(view)?;
    threads(view)?;
    network(view)
}

fn ids(view: &View<'_>) -> Check {
    let both = view.is_set("node.id") && view.is_set("broker.id");
    if both && view.int("node.id") != view.int("broker.id") {
        let reason = format!(
            "It is the old name of node.id, which is {}",
            view.int("node.id")
        );
        return Err(view.invalid("broker.id", &reason));
    }
    if !view.is_set("node.id") && view.is_set("broker.id") && view.int("broker.id") < 0 {
        return Err(view.invalid("broker.id", "Value must be at least 0"));
    }
    Ok(())
}

/// Refuses a session that ends before the next heartbeat. Kafka starts with one, and its broker is then
/// fenced and unfenced without end. Where broker and controller are different nodes, only one of the two
/// values counts on each.
fn brokers_lives(view: &View<'_>) -> Check {
    const INTERVAL: &str = "broker.heartbeat.interval.ms";
    const REGISTRATION: &str = "initial.broker.registration.timeout.ms";
    let roles = Roles::read(view);
    if !roles.is_broker() {
        return Ok(());
    }
    if view.int(REGISTRATION) < 1 {
        return Err(view.invalid(REGISTRATION, "Value must be at least 1"));
    }
    let session = view.int("broker.session.timeout.ms");
    match view.int(INTERVAL) {
        ..1 => Err(view.invalid(INTERVAL, "Value must be at least 1")),
        interval if interval >= session && roles.is_controller() => {
            let reason = format!("Value must be less than broker.session.timeout.ms, {session}");
            Err(view.invalid(INTERVAL, &reason))
        }
        _ => Ok(()),
    }
}

/// Refuses protection that is not built yet: ignoring such a key would leave the operator with less than
/// the file asks for.
fn not_there_yet(view: &View<'_>) -> Check {
    const JAVA_CLASSES: [&str; 3] = [
        "create.topic.policy.class.name",
        "alter.config.policy.class.name",
        "client.quota.callback.class",
    ];
    for name in JAVA_CLASSES {
        if view
            .optional_text(name)
            .is_some_and(|class| !class.is_empty())
        {
            return Err(view.invalid(name, "A Java class cannot be run here; leave it out"));
        }
    }
    if !view.text("authorizer.class.name").is_empty() {
        let reason = "There is no authorizer yet; leave it out, and the port inside a network you \
                      trust";
        return Err(view.invalid("authorizer.class.name", reason));
    }
    if view.bool("remote.log.storage.system.enable") {
        let reason = "Tiered storage is not there yet";
        return Err(view.invalid("remote.log.storage.system.enable", reason));
    }
    if view.bool("controller.quorum.auto.join.enable") {
        let reason = "Voters are static here (kraft.version 0), so none joins by itself; name \
                      them in controller.quorum.voters";
        return Err(view.invalid("controller.quorum.auto.join.enable", reason));
    }
    Ok(())
}

/// Refuses a file that drains the broker: the controllers would not know of it.
fn drain(view: &View<'_>) -> Check {
    let of_file = view.layers.settings.get(BROKER_DRAIN);
    if of_file.is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
        let reason = "It is set while the cluster runs, by kafka-configs.sh --entity-type brokers \
                      --entity-name ID --alter --add-config broker.drain=true";
        return Err(view.invalid(BROKER_DRAIN, reason));
    }
    Ok(())
}

/// Checks the bounds of times in their finest unit, whichever unit was set. The table has no bounds for
/// hours and minutes.
fn times_of_the_log(view: &View<'_>) -> Check {
    let set = |name: &str| view.is_set(name).then(|| view.long(name));
    if set("log.roll.ms").is_some_and(|time| time < 1) {
        return Err(view.invalid("log.roll.ms", "Value must be at least 1"));
    }
    if set("log.roll.jitter.ms").is_some_and(|time| time < 0) {
        return Err(view.invalid("log.roll.jitter.ms", "Value must be at least 0"));
    }
    let units = [
        "log.retention.ms",
        "log.retention.minutes",
        "log.retention.hours",
    ];
    match units.into_iter().find(|name| view.is_set(name)) {
        Some(finest) if view.long(finest) == 0 => {
            Err(view.invalid(finest, "Value must be at least 1, or -1 for ever"))
        }
        _ => Ok(()),
    }
}

fn compaction(view: &View<'_>, topic_defaults: &TopicConfig) -> Check {
    let most = topic_defaults.max_compaction_lag_ms;
    if topic_defaults.min_compaction_lag_ms > most {
        let reason =
            format!("Value must be no more than log.cleaner.max.compaction.lag.ms, {most}");
        return Err(view.invalid("log.cleaner.min.compaction.lag.ms", &reason));
    }
    const LEAST_OF_A_THREAD: i64 = 1024 * 1024;
    let threads = i64::from(view.int("log.cleaner.threads")).max(1);
    if view.long("log.cleaner.dedupe.buffer.size") / threads <= LEAST_OF_A_THREAD {
        let reason =
            format!("Value must be over {LEAST_OF_A_THREAD} for each of {threads} threads");
        return Err(view.invalid("log.cleaner.dedupe.buffer.size", &reason));
    }
    Ok(())
}

fn replication(view: &View<'_>) -> Check {
    let wait = i64::from(view.int("replica.fetch.wait.max.ms"));
    for name in ["replica.socket.timeout.ms", "replica.lag.time.max.ms"] {
        if wait > view.long(name) {
            let reason = format!("Value must be at least replica.fetch.wait.max.ms, {wait}");
            return Err(view.invalid(name, &reason));
        }
    }
    let selector = view.optional_text("replica.selector.class");
    if selector.is_some_and(|class| !is_selector(&class)) {
        let reason = format!("A Java class cannot be run here; {RACK_AWARE_SELECTOR} is built in");
        return Err(view.invalid("replica.selector.class", &reason));
    }
    if view.is_set("inter.broker.listener.name") && view.is_set("security.inter.broker.protocol") {
        let reason = "Only one of it and security.inter.broker.protocol can be set";
        return Err(view.invalid("inter.broker.listener.name", reason));
    }
    Ok(())
}

fn is_selector(class: &str) -> bool {
    class.is_empty() || class == RACK_AWARE_SELECTOR
}

/// Refuses bounds of session time-outs between which no member could join any group.
fn sessions_of_groups(view: &View<'_>) -> Check {
    let shortest = view.int("group.min.session.timeout.ms");
    if view.int("group.max.session.timeout.ms") < shortest.max(1) {
        let reason = format!("Value must be at least group.min.session.timeout.ms, {shortest}");
        return Err(view.invalid("group.max.session.timeout.ms", &reason));
    }
    Ok(())
}

/// A process that the system gives no more threads ends, and could not be started again to take the value
/// back.
fn threads(view: &View<'_>) -> Check {
    const MOST: i32 = 1024;
    let set = [
        ("log.cleaner.threads", Some(view.int("log.cleaner.threads"))),
        (
            "num.replica.fetchers",
            Some(view.int("num.replica.fetchers")),
        ),
        (
            "num.recovery.threads.per.data.dir",
            Some(view.int("num.recovery.threads.per.data.dir")),
        ),
        (
            "num.replica.alter.log.dirs.threads",
            view.optional_int("num.replica.alter.log.dirs.threads"),
        ),
    ];
    for (key, threads) in set {
        if threads.is_some_and(|threads| threads > MOST) {
            return Err(view.invalid(key, &format!("Value must be no more than {MOST}")));
        }
    }
    Ok(())
}

/// The complaint about a limit that Kafka accepts, but that locks out whoever could raise it again.
pub(super) const NOBODY: &str = "Nobody could connect";
/// No request that alters configs is as large as this, names of clients and topics included.
const SMALLEST_LARGEST_REQUEST: i32 = 1024;

fn network(view: &View<'_>) -> Check {
    let largest_request = i64::from(view.int("socket.request.max.bytes"));
    let memory = view.long("queued.max.request.bytes");
    if memory > 0 && memory < largest_request {
        let reason = format!("Value must be at least socket.request.max.bytes, {largest_request}");
        return Err(view.invalid("queued.max.request.bytes", &reason));
    }
    for key in ["max.connections", "max.connection.creation.rate"] {
        if view.int(key) == 0 {
            return Err(view.invalid(key, NOBODY));
        }
    }
    if largest_request < i64::from(SMALLEST_LARGEST_REQUEST) {
        let reason = format!("{NOBODY}; value must be at least {SMALLEST_LARGEST_REQUEST}");
        return Err(view.invalid("socket.request.max.bytes", &reason));
    }
    let idle = view.long("connections.max.idle.ms");
    let delay = i64::from(view.int("connection.failed.authentication.delay.ms"));
    if idle >= 0 && delay >= idle {
        let reason = format!("Value must be less than connections.max.idle.ms, {idle}");
        return Err(view.invalid("connection.failed.authentication.delay.ms", &reason));
    }
    Ok(())
}
