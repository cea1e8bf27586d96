//! The config of quotas: the windows of time over which they are measured, and their memory.

use super::view::View;

/// The windows of quotas, all 1 or above, and the memory of what clients used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Windows of clients' quotas.
    pub quota_window_num: i32,
    /// The length of a window of clients' quotas.
    pub quota_window_size_seconds: i32,
    /// Windows of quotas for changes that the controller makes.
    pub controller_quota_window_num: i32,
    /// The length of a window of those quotas.
    pub controller_quota_window_size_seconds: i32,
    /// How many bytes may be remembered of what clients used.
    pub quota_clients_max_bytes: i64,
}

impl QuotaConfig {
    pub(super) fn read(view: &View<'_>) -> Self {
        Self {
            quota_window_num: view.int("quota.window.num"),
            quota_window_size_seconds: view.int("quota.window.size.seconds"),
            controller_quota_window_num: view.int("controller.quota.window.num"),
            controller_quota_window_size_seconds: view.int("controller.quota.window.size.seconds"),
            quota_clients_max_bytes: view.long("quota.clients.max.bytes"),
        }
    }
}
