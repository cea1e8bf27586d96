//! Whether a node lives, serves, and may be stopped.

use std::process::Command;

use crate::start;
use crate::support::http::{exchange, get};
use crate::support::{path_text, program};

#[test]
fn a_node_that_serves_is_alive_and_ready_and_alone_it_is_missed() {
    let (broker, admin) = start(&[]);

    let live = get(&admin, "/livez");
    let ready = get(&admin, "/readyz");
    let restart = get(&admin, "/safe-to-restart");

    assert_eq!(
        (live.status, live.body.as_str()),
        (200, "node 1 is alive\n")
    );
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(
        ready.body,
        "node 1 serves clients, as one of 1 brokers that do\n"
    );
    assert_eq!(restart.status, 503, "{}", restart.body);
    assert!(
        restart.body.starts_with("not safe to restart node 1: "),
        "{}",
        restart.body
    );
    drop(broker);
}

#[test]
fn the_command_and_the_listener_say_the_same() {
    let port = {
        // The command knows the port from the config alone, so it must be there.
        let held = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        held.local_addr().expect("it is bound").port()
    };
    let listeners = format!("PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:0");
    let (broker, admin) = start(&[("listeners", &listeners)]);
    let command = |argument: &[&str]| {
        let mut command = Command::new(program());
        command.args(["health", "--config", path_text(&broker.config())]);
        let output = command.args(argument).output().expect("it can be run");
        String::from_utf8(output.stdout).expect("text")
    };

    assert_eq!(command(&[]), get(&admin, "/readyz").body);
    assert_eq!(
        command(&["--before-restart"]),
        get(&admin, "/safe-to-restart").body
    );
}

#[test]
fn nothing_else_is_served_and_nothing_can_be_sent() {
    let (_broker, admin) = start(&[]);
    let status = |method: &str, path: &str| {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let answer = String::from_utf8(exchange(&admin, request.as_bytes())).expect("text");
        answer.split(' ').nth(1).map(str::to_owned)
    };

    for path in [
        "/admin",
        "/metrics/",
        "/metrics/other",
        "/../etc/passwd",
        "/%2e%2e/x",
    ] {
        assert_eq!(status("GET", path).as_deref(), Some("404"), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for path in ["/", "/topics", "/metrics"] {
            let status = status(method, path);
            assert_eq!(status.as_deref(), Some("405"), "{method} {path}");
        }
    }
    assert_eq!(status("HEAD", "/livez").as_deref(), Some("200"));
    let live = get(&admin, "/livez");
    assert_eq!(live.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(live.header("cache-control"), Some("no-store"));
    let policy = live.header("content-security-policy");
    assert!(
        policy.is_some_and(|it| it.contains("default-src 'none'")),
        "{policy:?}"
    );
}
