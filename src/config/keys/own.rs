//! Our own keys. Apache Kafka takes them for keys of a plug-in, and starts with them.

use super::table::{ANY, LIST, NOT_EMPTY, at_least, one_of};

keys! {
    KEYS: Own;

    "admin.hosts": List = "", LIST; Low ReadOnly Acts;
        "Names by which browsers and scrapers may ask the admin listeners, beside IP addresses, localhost, \
         this machine's own name, and the hosts of its listeners, also as they are advertised. Any other \
         `Host` is refused: a web page that has its name lead to this machine could read what is served \
         here. `*` takes any.";
    "admin.listeners": List = "http://127.0.0.1:9000", LIST; Medium ReadOnly Acts;
        "Where the admin pages, metrics and health are served by HTTP; `http://:9000` is port 9000 of all \
         addresses, where the pages ask for `admin.password`. None if it is empty. Nobody has to set it: if \
         another process has the port of the default, this node does without, and says so.";
    "admin.metrics.groups.max": Int = "20000", at_least(0); Low ReadOnly Acts;
        "How many groups and committed offsets together `/metrics/detailed` tells of: each offset is two \
         series of whoever scrapes, and clients name groups. Those that were told keep their place; the others \
         are counted by `broker_metrics_left_out`, with groups whose id is longer than 255 bytes.";
    "admin.metrics.partitions.max": Int = "20000", at_least(0); Low ReadOnly Acts;
        "How many replicas here `/metrics/detailed` tells of: each is up to 17 series. Of a topic all are told \
         or none; those that were told keep their place, and the others are counted by \
         `broker_metrics_left_out`.";
    "admin.password": Password = unset, ANY; Medium ReadOnly Acts;
        "What the admin pages ask for before they change anything, and on other addresses than those of \
         loopback before they show anything; by whatever user name. Its hash may stand in its place, as \
         `broker hash-password` prints it. Without it, or if it is empty, they show \
         the cluster on loopback alone, and change nothing. Metrics and health need none.";
    "admin.password.file": String = unset, NOT_EMPTY; Medium ReadOnly Acts;
        "The file whose first line is `admin.password` or its hash, where that is not set. It is read at the start.";
    "admin.read.only": Boolean = "false", ANY; Medium ReadOnly Acts;
        "Whether the admin pages of this node show the cluster and refuse to change it.";
    "auto.create.topics.per.request.max": Int = "100", at_least(1); Low ReadOnly Acts;
        "How many topics one Metadata request may have made that nobody made before. For each the \
         disk makes folders, and others' changes wait for them; the client is told to come again \
         for the rest.";
    "broker.drain": Boolean = "false", ANY; Medium PerBroker Acts;
        "Whether a broker is drained: leaders leave it and new ones do not come, as long as others can \
         lead. It follows on, and gets new replicas only where too few other brokers live. It is set \
         while the cluster runs, for one broker (`kafka-configs.sh --entity-type brokers`), and holds until \
         it is taken away; a file cannot set it.";
    "cluster.id": String = unset, NOT_EMPTY; High ReadOnly Acts;
        "The cluster's id, as `kafka-storage random-uuid` prints it; also read from `CLUSTER_ID`. \
         A single node with empty directories makes one up; several have to be told.";
    "disk.reserve.bytes": Long = "16777216", at_least(0); Low ReadOnly Acts;
        "How much room of each disk with log directories is kept for the day when it is full: the \
         metadata log and the checkpoints go on with it, so that topics and records can be \
         deleted, while what clients send is refused. 16 MiB last for a day; 0 keeps none.";
    "group.members.max.bytes": Long = "134217728", at_least(33554432); Medium ReadOnly Acts;
        "The most memory that members of all classic groups take, with all that they say: about \
         100,000 of usual size. The last 16 MiB are for members that are there. Kafka has no bound.";
    "group.offsets.max.bytes": Long = "536870912", at_least(1048576); Medium ReadOnly Acts;
        "The most memory that committed offsets of all groups take, with the groups that nobody is \
         in: about 3,000,000 offsets. Beyond it groups commit only in the place of offsets that they \
         have. What was committed is kept, also by a smaller bound. Kafka has no bound.";
    "logging.format": String = "text", one_of(&["text", "json"]); Low ReadOnly Acts;
        "Log lines for people (`text`) or for machines (`json`, one object a line).";
    "logging.level": String = "info", NOT_EMPTY; Medium ReadOnly Acts;
        "The least severe log lines to write: `error`, `warn`, `info`, `debug` or `trace`; also \
         for one part, as in `info,broker::storage=debug`.";
    "open.files.max": Int = unset, at_least(16); Low ReadOnly Acts;
        "How many segment and index files are held open at a time; half of what the system allows \
         the process, if unset. More partitions than that work, by opening files again.";
    "quota.clients.max.bytes": Long = "67108864", at_least(1048576); Low ReadOnly Acts;
        "How much is remembered of what clients used under quotas: names are theirs to choose. Of \
         who was not heard for the longest it is forgotten first. 200,000 clients of usual names \
         fit.";
    "request.receive.timeout.ms": Long = "30000", at_least(1); Low ReadOnly Acts;
        "How long a client may take to send the next 64 KiB of a request that it began: it holds \
         memory that others wait for.";
    "request.decoded.max.bytes": Int = "8388608", at_least(1048576); Low ReadOnly Acts;
        "The memory that the arrays of one request may take, in bytes, each element with at least \
         64. What is made of it and its answer take up to twelve times as much; 100,000 partitions \
         fit.";
    "response.max.bytes": Int = "33554432", at_least(1048576); Low ReadOnly Acts;
        "The largest answer in bytes, without the records of a Fetch. Parts that have no room get \
         an error: the configs of 10,000 topics fit, asked for as admin clients do.";
    "scrub.interval.ms": Long = "604800000", at_least(0); Low ReadOnly Acts;
        "How often every byte of every log is read and its checksums compared, to find what a disk \
         has lost while there are replicas to repair it from; 0 never.";
    "scrub.max.bytes.per.second": Long = "52428800", at_least(1); Low ReadOnly Acts;
        "The most bytes a second that this reading takes from a disk, however large the logs.";
}
