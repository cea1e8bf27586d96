//! Who is shown the pages on other addresses than loopback.

use std::io::Write as _;
use std::net::UdpSocket;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

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

/// What `broker hash-password` prints for a line on its input.
fn hashed(line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    command.arg("hash-password");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().expect("it runs");
    let mut input = running.stdin.take().expect("it has an input");
    input.write_all(line.as_bytes()).expect("it reads");
    drop(input);
    let output = running.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim_end().to_owned()
}

#[test]
fn a_password_is_hashed_for_the_config() {
    let hash = hashed("opensesame\n");

    assert!(hash.starts_with("$pbkdf2-sha256$i=600000$"), "{hash}");
    let checked = Command::new(env!("CARGO_BIN_EXE_broker"))
        .arg("--check-config")
        .env("KAFKA_ADMIN_PASSWORD", &hash)
        .output()
        .expect("it runs");
    assert!(checked.status.success(), "{checked:?}");
}

#[test]
fn the_hash_of_a_password_may_stand_in_its_place() {
    // Of `open sesame`, in few rounds: builds for tests are slow at them.
    let hash =
        "$pbkdf2-sha256$i=1000$AAECAwQFBgcICQoLDA0ODw$BMM+2dChHJ08jvZzI01cu+RhUTAJqDHgYJFfx3n7t5s";
    let Some((_broker, _, far)) = everywhere(&[("admin.password", hash)]) else {
        return;
    };
    let told = |password: &str| {
        let pair = BASE64_STANDARD.encode(format!("admin:{password}"));
        let header = format!("Authorization: Basic {pair}");
        get(&far, "/", &[&header]).status
    };

    assert_eq!(told("open sesame"), 200);
    assert_eq!(told("open sesame"), 200, "it is known");
    assert_eq!(told("open sesamE"), 401);
    assert_eq!(told(hash), 401, "it is no password");
    assert_eq!(get(&far, "/", &[]).status, 401);
}
