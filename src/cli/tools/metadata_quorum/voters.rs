//! Voters that come and go.

use super::controller::Controller;
use super::of_call;
use crate::cli::tools::admin::{not_controller, timeout_ms};
use crate::cli::tools::ending::Ending;
use crate::cli::tools::exception::Exception;
use crate::client::{Cluster, To};
use crate::model::Uuid;
use crate::protocol::messages::add_raft_voter::{AddRaftVoterRequest, Listener};
use crate::protocol::messages::remove_raft_voter::RemoveRaftVoterRequest;
use crate::protocol::{ErrorCode, Str};

/// Makes a controller a voter.
///
/// # Errors
/// The cluster refuses, or does not answer.
pub(super) async fn add(cluster: &mut Cluster, controller: &Controller) -> Result<(), Ending> {
    let listeners = controller.listeners.iter().map(|it| {
        let port = u16::try_from(it.port).map_err(|_| {
            let port = it.port;
            Ending::Failed(format!("Invalid value {port} for unsigned short field."))
        })?;
        Ok(Listener {
            name: Str::copy_from(&it.name),
            host: Str::copy_from(&it.host),
            port,
        })
    });
    let request = AddRaftVoterRequest {
        timeout_ms: timeout_ms(cluster),
        voter_id: controller.id,
        voter_directory_id: controller.directory_id,
        listeners: listeners.collect::<Result<_, Ending>>()?,
        ..AddRaftVoterRequest::default()
    };
    let asked = cluster.ask_until(To::Any, &request, |answer| {
        not_controller(std::iter::once(answer.error_code))
    });
    let answer = asked.await.map_err(of_call)?;
    accepted(answer.error_code, answer.error_message)
}

/// Takes a controller out of the voters.
///
/// # Errors
/// The cluster refuses, or does not answer.
pub(super) async fn remove(
    cluster: &mut Cluster,
    voter_id: i32,
    voter_directory_id: Uuid,
) -> Result<(), Ending> {
    let request = RemoveRaftVoterRequest {
        voter_id,
        voter_directory_id,
        ..RemoveRaftVoterRequest::default()
    };
    let asked = cluster.ask_until(To::Any, &request, |answer| {
        not_controller(std::iter::once(answer.error_code))
    });
    let answer = asked.await.map_err(of_call)?;
    accepted(answer.error_code, answer.error_message)
}

fn accepted(code: ErrorCode, message: Option<Str>) -> Result<(), Ending> {
    if code.is_error() {
        return Err(of_call(Exception::refused(code, message)));
    }
    Ok(())
}
