//! The alerts in `config/`, as Prometheus's own tool tries them.

use std::path::Path;
use std::process::Command;

use crate::support::tools;

fn promtool(arguments: &[&str]) {
    let Some(promtool) = tools::program("promtool") else {
        return;
    };
    let output = Command::new(promtool)
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .expect("it starts");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{arguments:?}:\n{said}");
}

#[test]
fn the_config_and_the_alerts_are_valid() {
    promtool(&["check", "config", "config/prometheus.yml"]);
    promtool(&["check", "rules", "config/prometheus-alerts.yml"]);
}

#[test]
fn alerts_fire_when_they_should_and_not_before() {
    promtool(&["test", "rules", "tests/admin/alerts.yml"]);
}
