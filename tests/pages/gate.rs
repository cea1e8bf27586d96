//! Who is shown the pages on other addresses than loopback.

use std::net::UdpSocket;

use crate::browser::get;
use crate::support::Broker;

/// An address of this machine that is not loopback; `None` without a network. Nothing is sent.
fn own_address() -> Option<String> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| ip.to_string())
}

/// A broker whose pages are on all addresses, and their address on loopback and elsewhere.
fn everywhere(settings: &[(&str, &str)]) -> Option<(Broker, String, String)> {
    let Some(own) = own_address() else {
        println!("SKIPPED: this machine has no address but loopback");
        return None;
    };
    let mut all = vec![("admin.listeners", "http://0.0.0.0:0")];
    all.extend_from_slice(settings);
    let broker = Broker::start_with(&all);
    let bound = broker.admin();
    let port = bound.rsplit(':').next().expect("it ends with the port");
    Some((broker, format!("127.0.0.1:{port}"), format!("{own}:{port}")))
}

#[test]
fn without_a_password_pages_are_for_loopback_alone() {
    let Some((_broker, near, far)) = everywhere(&[]) else {
        return;
    };

    assert_eq!(get(&near, "/", &[]).status, 200);
    for path in ["/", "/topics", "/groups", "/brokers/1", "/nothing"] {
        let page = get(&far, path, &[]);
        assert_eq!(page.status, 403, "{path}");
        assert!(page.body.contains("KAFKA_ADMIN_PASSWORD"), "{path}");
    }
    assert_eq!(get(&far, "/metrics", &[]).status, 200);
    assert_eq!(get(&far, "/livez", &[]).status, 200);
}

#[test]
fn with_a_password_pages_are_for_who_tells_it() {
    let Some((_broker, near, far)) = everywhere(&[("admin.password", "opensesame")]) else {
        return;
    };
    // `admin:opensesame` and `admin:wrong`
    let right = "Authorization: Basic YWRtaW46b3BlbnNlc2FtZQ==";
    let wrong = "Authorization: Basic YWRtaW46d3Jvbmc=";

    assert_eq!(get(&near, "/", &[]).status, 200);
    let asked = get(&far, "/", &[]);
    assert_eq!(asked.status, 401);
    assert!(
        asked
            .header("www-authenticate")
            .is_some_and(|it| it.starts_with("Basic"))
    );
    assert_eq!(get(&far, "/", &[right]).status, 200);
    let config = get(&near, "/brokers/1", &["Accept: application/json"]);
    assert!(!config.body.contains("opensesame"));
    for _ in 0..10 {
        assert_eq!(get(&far, "/", &[wrong]).status, 401);
    }
    let refused = get(&far, "/", &[right]);
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(get(&far, "/metrics", &[]).status, 200);
}

#[test]
fn the_password_may_be_in_a_file() {
    let folder = tempfile::tempdir().expect("a directory");
    let file = folder.path().join("password");
    std::fs::write(&file, "opensesame\n").expect("it can be written");
    let file = file.to_str().expect("text");
    let Some((_broker, _, far)) = everywhere(&[("admin.password.file", file)]) else {
        return;
    };

    let right = "Authorization: Basic YWRtaW46b3BlbnNlc2FtZQ==";
    assert_eq!(get(&far, "/", &[right]).status, 200);
    assert_eq!(get(&far, "/", &[]).status, 401);
}
