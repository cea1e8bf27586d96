//! Keys of listeners, sockets, connections and what requests may take.

use super::table::{ANY, FILLED_LIST, LIST, at_least, one_of};

keys! {
    KEYS: Broker;

    "listeners": List = "PLAINTEXT://:9092,CONTROLLER://:9093", FILLED_LIST; High PerBroker Acts;
        "Where to listen: `NAME://host:port`, comma separated; an empty host means every address. \
         Differs from Kafka's default by the controller's listener, so that one node runs without \
         settings; one that is only broker or controller has its own of the two.";
    "advertised.listeners": List = unset, FILLED_LIST; High ReadOnly Acts;
        "What clients are told to connect to; what `listeners` says if unset. A listener that is \
         not named here keeps its own address out of answers.";
    "listener.security.protocol.map": String =
        "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT", ANY;
        Low PerBroker Acts;
        "The protocol of each listener name, as `NAME:PROTOCOL`. Only PLAINTEXT is served so far. \
         A controller listener that is not named is PLAINTEXT.";
    "inter.broker.listener.name": String = unset, ANY; Medium ReadOnly Acts;
        "The listener that brokers use among themselves. Unless clients use the same one, its \
         connections are beside `max.connections`.";
    "security.inter.broker.protocol": String = "PLAINTEXT",
        one_of(&["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"]); Medium ReadOnly NotYet;
        "The protocol that brokers use among themselves, if `inter.broker.listener.name` does not \
         say.";
    "early.start.listeners": List = unset, LIST; High ReadOnly ByDesign;
        "Listeners to open before the broker is ready. Here the controller's always are, and no \
         other ever is.";
    "socket.request.max.bytes": Int = "104857600", at_least(1); High ReadOnly Acts;
        "The largest request in bytes. The size is checked before memory is taken for it.";
    "socket.send.buffer.bytes": Int = "-1", ANY; High ReadOnly Acts;
        "Bytes of each socket's send buffer; -1 leaves the system's own, which follows the need \
         (Kafka: 102400).";
    "socket.receive.buffer.bytes": Int = "-1", ANY; High ReadOnly Acts;
        "Bytes of each socket's receive buffer; -1 leaves the system's own, which follows the \
         need. Kafka's 102400 doubles the CPU of receiving large requests.";
    "socket.listen.backlog.size": Int = "1024", at_least(1); Medium ReadOnly Acts;
        "How many connections the system holds until they are accepted. Beyond them a client \
         tries again after a second, which Kafka's 50 lets happen whenever many reconnect at once.";
    "socket.connection.setup.timeout.ms": Long = "10000", ANY; Medium ReadOnly NotYet;
        "How long to wait for a connection to another broker.";
    "socket.connection.setup.timeout.max.ms": Long = "30000", ANY; Medium ReadOnly NotYet;
        "The longest such wait after repeated failures.";
    "max.connections": Int = "10000", at_least(0); Medium ClusterWide Acts;
        "How many connections the broker holds, over all listeners. Finite here (Kafka: no limit): \
         each costs a file descriptor, and running out of those stops replication too. So there \
         are fewer where `open.files.max` leaves few descriptors. A listener's \
         own limit is `listener.name.NAME.max.connections`.";
    "max.connections.per.ip": Int = "5000", at_least(0); Medium ClusterWide Acts;
        "How many connections one address may hold. Finite here (Kafka: no limit), so that one \
         host in a reconnect loop cannot take all of `max.connections`; the last tenth of those is \
         for addresses that hold few.";
    "max.connections.per.ip.overrides": String = "", ANY; Medium ClusterWide Acts;
        "Other limits for single addresses: `host:count`, comma separated.";
    "max.connection.creation.rate": Int = "2147483647", at_least(0); Medium ClusterWide Acts;
        "How many connections are accepted in a second. A listener's own rate is \
         `listener.name.NAME.max.connection.creation.rate`.";
    "connections.max.idle.ms": Long = "600000", ANY; Medium ReadOnly Acts;
        "A connection that says nothing for this long is closed. No request waits longer for its \
         answer.";
    "queued.max.requests": Int = "500", at_least(1); High ReadOnly ByDesign;
        "How many requests may wait for a thread. Here a request runs on its connection's own \
         task, and `queued.max.request.bytes` bounds what waits.";
    "queued.max.request.bytes": Long = "268435456", ANY; Medium ReadOnly Acts;
        "Memory for requests that are being read or served, in bytes; no more is read from clients \
         while it is used up. At least `socket.request.max.bytes`, -1 for no limit. Finite here \
         (Kafka: no limit): many clients that send large requests at once must not end in the \
         out-of-memory killer.";
    "request.timeout.ms": Int = "30000", ANY; High ReadOnly NotYet;
        "How long a broker waits for an answer to its own requests.";
    "connection.failed.authentication.delay.ms": Int = "100", at_least(0); Low ReadOnly NotYet;
        "How long to wait before a failed login is answered.";
    "connections.max.reauth.ms": Long = "0", ANY; Medium ReadOnly NotYet;
        "How long a SASL login lasts; 0 until the connection ends.";
    "num.network.threads": Int = "3", at_least(1); High ClusterWide ByDesign;
        "Threads that read and write sockets. Here there is one worker for each CPU.";
    "num.io.threads": Int = "8", at_least(1); High ClusterWide ByDesign;
        "Threads that serve requests. Here there is one worker for each CPU.";
    "background.threads": Int = "10", at_least(1); High ClusterWide ByDesign;
        "Threads for housekeeping. Here each kind of work has its own.";
}
