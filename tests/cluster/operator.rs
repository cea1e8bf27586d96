//! What an operator asks of a broker: to set its configs, and to tell its log directories.

use broker::protocol::ErrorCode;
use broker::protocol::messages::describe_log_dirs::{
    DescribeLogDirsRequest, DescribeLogDirsResult,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};

use crate::voice::ask;

/// Kafka's number of brokers among what has a config.
const BROKER: i8 = 4;

/// Sets a config of a broker, or takes it away, by the node at `address`: what it answers.
pub fn set_of_broker(address: &str, broker: i32, key: &str, value: Option<&str>) -> ErrorCode {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: BROKER,
            resource_name: broker.to_string().into(),
            configs: vec![AlterableConfig {
                name: key.to_owned().into(),
                config_operation: i8::from(value.is_none()),
                value: value.map(|value| value.to_owned().into()),
            }],
        }],
        validate_only: false,
    };
    let answer = ask(address, &request).expect("an answer");
    let result = &answer.responses[0];
    if result.error_code.is_error() {
        println!("{key}: {:?}", result.error_message);
    }
    result.error_code
}

/// The log directories of the broker at `address`, in the order of its config.
pub fn log_dirs(address: &str) -> Vec<DescribeLogDirsResult> {
    let answer = ask(address, &DescribeLogDirsRequest { topics: None });
    answer.expect("an answer").results
}
