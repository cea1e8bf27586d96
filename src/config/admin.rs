//! The config of the admin listeners: where pages, metrics and health are served by HTTP, and to whom.

use super::endpoint::{Endpoint, SecurityProtocol, parse_listener};
use super::password_hash::PasswordHash;
use super::value::{InvalidValue, Secret, Value};
use super::view::View;

/// The key that names the listeners.
pub(super) const ADMIN_LISTENERS: &str = "admin.listeners";
/// The one scheme that is served.
const HTTP: &str = "http";

/// Where pages, metrics and health are served, and to whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// The endpoints to bind; none where nothing is served. Their listener's name is the scheme, `http`.
    pub admin_listeners: Vec<Endpoint>,
    /// Whether the operator has named them: one that nobody asked for may be missing.
    pub is_asked_for: bool,
    /// Names by which they may be asked, beside those that are this node's own; `*` for any.
    pub admin_hosts: Vec<String>,
    /// What the pages ask for where they are served on other addresses than those of loopback.
    pub admin_password: Option<AdminPassword>,
    /// The file that holds it, if it is not set itself.
    pub admin_password_file: Option<String>,
    /// Whether the pages refuse every change.
    pub admin_read_only: bool,
    /// How many partitions `/metrics/detailed` tells of: 0 or above.
    pub admin_metrics_partitions_max: i32,
    /// How many groups and committed offsets together it tells of: 0 or above.
    pub admin_metrics_groups_max: i32,
}

/// What the pages ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdminPassword {
    /// The password itself.
    Clear(Secret),
    /// Its hash.
    Hashed(PasswordHash),
}

impl AdminPassword {
    /// Reads what stands in a file; `None` if it is meant to be a hash and is none.
    pub fn parse(text: &str) -> Option<Self> {
        if PasswordHash::is_meant_by(text) {
            return PasswordHash::parse(text).map(Self::Hashed);
        }
        Some(Self::Clear(Secret::from(text)))
    }
}

impl AdminConfig {
    pub(super) fn read(view: &View<'_>) -> Result<Self, InvalidValue> {
        let listed = view.list(ADMIN_LISTENERS);
        let entries = listed.iter().filter(|entry| !entry.is_empty());
        let endpoints: Result<Vec<Endpoint>, InvalidValue> =
            entries.map(|it| endpoint(it)).collect();
        let hosts = view.list("admin.hosts").into_iter();
        Ok(Self {
            admin_listeners: endpoints?,
            is_asked_for: view.is_set(ADMIN_LISTENERS),
            admin_hosts: hosts.filter(|host| !host.is_empty()).collect(),
            admin_password: password(view)?,
            admin_password_file: view.optional_text("admin.password.file"),
            admin_read_only: view.bool("admin.read.only"),
            admin_metrics_partitions_max: view.int("admin.metrics.partitions.max"),
            admin_metrics_groups_max: view.int("admin.metrics.groups.max"),
        })
    }
}

fn password(view: &View<'_>) -> Result<Option<AdminPassword>, InvalidValue> {
    let name = "admin.password";
    let set = view.optional_secret(name);
    let Some(set) = set.filter(|it| !it.reveal().is_empty()) else {
        return Ok(None);
    };
    let reason = "It begins as a hash does, and is none: `broker hash-password` makes one";
    let parsed = AdminPassword::parse(set.reveal());
    let invalid = || InvalidValue::new(name, Value::HIDDEN, reason);
    parsed.map(Some).ok_or_else(invalid)
}

fn endpoint(entry: &str) -> Result<Endpoint, InvalidValue> {
    let invalid = |reason: &str| InvalidValue::new(ADMIN_LISTENERS, entry, reason);
    let form = "Each entry should be in the form `http://{host}:{port}`";
    let (scheme, host, port) = parse_listener(entry).ok_or_else(|| invalid(form))?;
    match scheme.as_str() {
        "HTTP" => Ok(Endpoint {
            listener: HTTP.to_owned(),
            protocol: SecurityProtocol::Plaintext,
            host,
            port,
        }),
        "HTTPS" => Err(invalid(
            "TLS is not served yet; set http, inside a network you trust",
        )),
        _ => Err(invalid(form)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, Settings};

    fn read(pairs: &[(&str, &str)]) -> Result<AdminConfig, InvalidValue> {
        let pairs = pairs.iter();
        let settings: Settings = pairs
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect();
        AdminConfig::read(&View {
            layers: Layers::of(&settings),
        })
    }

    fn shown(config: &AdminConfig) -> Vec<String> {
        let all = config.admin_listeners.iter();
        all.map(ToString::to_string).collect()
    }

    #[test]
    fn by_default_loopback_is_served_and_nobody_has_asked_for_it() {
        let config = read(&[]).unwrap();

        assert_eq!(shown(&config), ["http://127.0.0.1:9000"]);
        assert!(!config.is_asked_for && config.admin_hosts.is_empty());
    }

    #[test]
    fn listeners_are_http_with_a_host_or_for_all_addresses() {
        let config = read(&[(ADMIN_LISTENERS, "HTTP://:9000,http://[::1]:0")]).unwrap();

        assert_eq!(shown(&config), ["http://:9000", "http://[::1]:0"]);
        assert!(config.is_asked_for);
        for wrong in [
            "9000",
            "localhost:9000",
            "PLAINTEXT://:9000",
            "https://:1",
            "http://a:b",
        ] {
            let refused = read(&[(ADMIN_LISTENERS, wrong)]);
            assert!(refused.is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_password_is_itself_or_a_hash_and_a_broken_hash_is_refused_and_not_shown() {
        let hash = PasswordHash::new(b"secret", [1; 16], 1_000).to_string();
        let password = |text: &str| read(&[("admin.password", text)]);

        let clear = password("$ecret").unwrap().admin_password;
        assert_eq!(clear, Some(AdminPassword::Clear(Secret::from("$ecret"))));
        let hashed = password(&hash).unwrap().admin_password;
        assert!(matches!(hashed, Some(AdminPassword::Hashed(it)) if it.to_string() == hash));
        assert_eq!(password("").unwrap().admin_password, None);
        let refused = password(&hash[..hash.len() - 3]).unwrap_err();
        assert!(refused.message.contains("hash-password") && !refused.message.contains("i="));
    }

    #[test]
    fn an_empty_list_serves_nothing() {
        let config = read(&[(ADMIN_LISTENERS, "")]).unwrap();

        assert!(config.admin_listeners.is_empty() && config.is_asked_for);
    }
}
