//! Over which windows of time quotas are measured.

use super::view::View;

/// Windows of time, all 1 or above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Of clients' quotas.
    pub quota_window_num: i32,
    /// Of clients' quotas.
    pub quota_window_size_seconds: i32,
    /// Of quotas for changes by the controller.
    pub controller_quota_window_num: i32,
    /// Of quotas for changes by the controller.
    pub controller_quota_window_size_seconds: i32,
    /// How much may be remembered of what clients used, in bytes.
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
