//! What a controller answers that can decide no more.

use super::*;

#[tokio::test]
async fn a_disk_that_fails_is_fatal_and_nothing_is_answered_well_after_it() {
    let disk = formatted_disk();
    let node = Node::start(&disk, config());
    let _broker = node.join(1).await;
    disk.inject(disk.operations(), Fault::Io);

    let code = node.create("lost").await;

    // It was written, and nobody knows whether it will be committed.
    assert_eq!(code, ErrorCode::REQUEST_TIMED_OUT);
    let mut fatal = node.fatal.clone();
    let told = fatal.wait_for(Option::is_some);
    tokio::time::timeout(PATIENCE, told).await.unwrap().unwrap();
    assert_eq!(node.create("later").await, ErrorCode::NOT_CONTROLLER);
    node.stop();
}

#[tokio::test]
async fn a_stopped_controller_refuses_instead_of_letting_wait() {
    let node = Node::start(&formatted_disk(), config());
    let controller = node.metadata.controller().clone();
    node.join(1).await;
    node.stop();

    let request = alter_configs::AlterConfigsRequest {
        resources: vec![alter_configs::AlterConfigsResource::default()],
        validate_only: false,
    };
    let response = controller.ask(request).await;

    assert_eq!(response.responses[0].error_code, ErrorCode::NOT_CONTROLLER);
}
