//! Talks to controllers over their own listener, as `--bootstrap-controller` does.

use std::time::{Duration, Instant};

use broker::network::{Client, ClientOptions};
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::describe_configs::{
    DescribeConfigsRequest, DescribeConfigsResource,
};
use broker::protocol::messages::describe_quorum::{
    DescribeQuorumRequest, RequestPartitionData, RequestTopicData, ResponsePartitionData,
};
use broker::protocol::messages::incremental_alter_configs::{
    AlterConfigsResource, AlterableConfig, IncrementalAlterConfigsRequest,
};
use broker::protocol::{ErrorCode, Request};

use crate::nodes::Nodes;

/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two looks at a cluster.
const LOOK: Duration = Duration::from_millis(20);

const BROKER: i8 = 4;
/// A setting of all brokers, which any value of is as good as another.
const SETTING: &str = "message.max.bytes";

fn run<T>(talk: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(talk)
}

/// Sends a request to one node; `None` if it does not answer.
pub fn ask<R: Request>(address: &str, request: &R) -> Option<R::Response> {
    ask_in(address, request, None)
}

/// As [`ask`], in a version that the node need not advertise.
pub fn ask_at<R: Request>(address: &str, request: &R, version: i16) -> Option<R::Response> {
    ask_in(address, request, Some(version))
}

fn ask_in<R: Request>(address: &str, request: &R, version: Option<i16>) -> Option<R::Response> {
    run(async {
        let options = ClientOptions {
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(10),
            ..ClientOptions::default()
        };
        let mut client = Client::connect(address, options).await.ok()?;
        let software = ApiVersionsRequest {
            client_software_name: "test".into(),
            client_software_version: "1".into(),
            ..ApiVersionsRequest::default()
        };
        client.negotiate(&software).await.ok()?;
        let newest = || client.version_of(R::KEY, &R::KEY.valid_versions());
        let version = version.or_else(newest)?;
        client.call(request, version).await.ok()
    })
}

/// Waits until `look` sees something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < deadline, "never seen: {what}");
        std::thread::sleep(LOOK);
    }
}

/// The quorum as `id` describes it, if it leads.
pub fn described_by(nodes: &Nodes, id: i32) -> Option<ResponsePartitionData> {
    let request = DescribeQuorumRequest {
        topics: vec![RequestTopicData {
            topic_name: "__cluster_metadata".into(),
            partitions: vec![RequestPartitionData { partition_index: 0 }],
        }],
    };
    let answer = ask(&nodes.controller(id), &request)?;
    let partition = answer
        .topics
        .into_iter()
        .next()?
        .partitions
        .into_iter()
        .next()?;
    let leads = !answer.error_code.is_error() && !partition.error_code.is_error();
    leads.then_some(partition)
}

/// Waits until one of `ids` leads, and says which.
pub fn leader(nodes: &Nodes, ids: &[i32]) -> i32 {
    wait_for("a leader", || {
        let mut leads = ids.iter().filter(|id| described_by(nodes, **id).is_some());
        leads.next().copied()
    })
}

/// Waits until whoever leads sees that all of `ids` have everything.
pub fn wait_until_level(nodes: &Nodes, ids: &[i32]) {
    wait_for("all voters level", || {
        let quorum = ids.iter().find_map(|id| described_by(nodes, *id))?;
        // Below that nothing is committed, and voters whose disks are new may have no vote yet.
        let end = Some(quorum.high_watermark).filter(|end| *end > 0)?;
        let is_level = |id: &i32| {
            let mut voters = quorum.current_voters.iter();
            voters.any(|voter| voter.replica_id == *id && voter.log_end_offset >= end)
        };
        ids.iter().all(is_level).then_some(())
    });
}

/// Sets the setting to `value` for all brokers, by whoever of `ids` is active, and waits for the commit.
pub fn write(nodes: &Nodes, ids: &[i32], value: i32) {
    let request = IncrementalAlterConfigsRequest {
        resources: vec![AlterConfigsResource {
            resource_type: BROKER,
            resource_name: "".into(),
            configs: vec![AlterableConfig {
                name: SETTING.into(),
                config_operation: 0,
                value: Some(value.to_string().into()),
            }],
        }],
        validate_only: false,
    };
    wait_for("a write", || {
        let mut ids = ids.iter();
        ids.find(|id| {
            let answer = ask(&nodes.controller(**id), &request);
            let done = answer.and_then(|answer| answer.responses.into_iter().next());
            done.is_some_and(|result| result.error_code == ErrorCode::NONE)
        })
    });
}

/// The setting of all brokers as `id` knows it.
pub fn read(nodes: &Nodes, id: i32) -> Option<i32> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: BROKER,
            resource_name: "".into(),
            configuration_keys: None,
        }],
        ..DescribeConfigsRequest::default()
    };
    let answer = ask(&nodes.controller(id), &request)?;
    let configs = answer.results.into_iter().next()?.configs;
    let setting = configs.into_iter().find(|config| config.name == SETTING)?;
    setting.value?.parse().ok()
}

/// Waits until `id` knows the setting as `value`.
pub fn wait_until_read(nodes: &Nodes, id: i32, value: i32) {
    wait_for(&format!("node {id} knows {value}"), || {
        (read(nodes, id) == Some(value)).then_some(())
    });
}
