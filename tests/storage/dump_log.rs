//! Apache Kafka's own `kafka-dump-log` reads our files and finds nothing wrong with them.
