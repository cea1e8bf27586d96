//! Keys of metrics.

use super::table::{ANY, LIST, at_least};

keys! {
    KEYS: Broker;

    "metric.reporters": List = "org.apache.kafka.common.metrics.JmxReporter", LIST;
        Low ClusterWide ByDesign;
        "Java classes that take metrics.";
    "metrics.num.samples": Int = "2", at_least(1); Low ReadOnly ByDesign;
        "Windows of Java's own metrics.";
    "metrics.sample.window.ms": Long = "30000", at_least(1); Low ReadOnly ByDesign;
        "Length of such a window.";
    "metrics.recording.level": String = "INFO", ANY; Low ReadOnly ByDesign;
        "How much Java's own metrics record.";
    "kafka.metrics.reporters": List = "", LIST; Low ReadOnly ByDesign;
        "Java classes that take metrics of the old kind.";
    "kafka.metrics.polling.interval.secs": Int = "10", at_least(1); Low ReadOnly ByDesign;
        "How often they are asked.";
    "telemetry.max.bytes": Int = "1048576", at_least(1); Low ReadOnly Acts;
        "The largest metrics message that a client may push.";
}
