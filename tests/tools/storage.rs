//! `kafka-storage.sh`: directories are formatted, and told of, as by Kafka's tool; each broker starts on what the
//! other's tool has formatted.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::call::{Outcome, TOPICS, Tool};
use crate::java::Java;
use crate::nodes::{CLUSTER_ID, Maker, Nodes};
use crate::ours;
use crate::support::{path_text, program};

const STORAGE: Tool = Tool {
    name: "storage",
    class: "kafka.tools.StorageTool",
};

/// The features that a cluster of Apache's would begin with, and that are not served here.
macro_rules! format {
    ($rest:literal) => {
        Step::Call(concat!(
            "format -c {d}/config.properties --feature group.version=0 --feature transaction.version=0 \
             --feature share.version=0 --feature streams.version=0 ",
            $rest
        ))
    };
}

/// What is done with the directories of both tools.
enum Step {
    /// A call, in which `{d}` stands for the directory.
    Call(&'static str),
    /// Something else, in the directory.
    Do(fn(&Path)),
}

use Step::{Call, Do};

const INFO: Step = Call("info -c {d}/config.properties");

/// Writes a config with two log directories, and these settings.
fn configure(directory: &Path, settings: &str) {
    let place = path_text(directory);
    let text = std::format!("log.dirs={place}/one,{place}/two\n{settings}");
    fs::write(directory.join("config.properties"), text).expect("it can be written");
}

const STATIC: &str = "process.roles=broker,controller\nnode.id=1\nlisteners=PLAINTEXT://:9092,CONTROLLER://:9093\n\
                      controller.listener.names=CONTROLLER\ncontroller.quorum.voters=1@localhost:9093\n";

fn with_static_voters(directory: &Path) {
    configure(directory, STATIC);
}

fn with_another_node_id(directory: &Path) {
    let settings = STATIC.replace("node.id=1", "node.id=2");
    configure(directory, &settings.replace("1@", "2@"));
}

fn remove(path: &Path) {
    fs::remove_file(path).expect("it is there");
}

/// Takes the steps with both tools, and compares what they tell.
fn compare(steps: &[Step]) {
    let Some(mut java) = Java::start() else {
        return;
    };
    let place = tempfile::tempdir().expect("a directory");
    let directories = ["of-java", "of-ours"].map(|name| place.path().join(name));
    for directory in &directories {
        fs::create_dir(directory).expect("it can be made");
    }
    let [of_java, of_ours] = directories;
    for step in steps {
        let arguments = match step {
            Do(work) => {
                work(&of_java);
                work(&of_ours);
                continue;
            }
            Call(arguments) => arguments,
        };
        let call = STORAGE.call(arguments);
        let filled = |directory: &Path| -> Vec<String> {
            let filled = arguments.replace("{d}", path_text(directory));
            filled.split_whitespace().map(str::to_owned).collect()
        };
        let theirs = java.call(&call, &filled(&of_java));
        let own = ours::call(&call, &filled(&of_ours));
        assert_eq!(shown(&theirs), shown(&own), "{arguments}\n{}", own.errors);
        // What Java throws is told as it is; what its tool refuses, in a line.
        let is_told = theirs.errors.lines().count() == 1;
        if is_told {
            assert_eq!(masked(&theirs.errors), masked(&own.errors), "{arguments}");
        }
    }
}

/// The lines of both directories come in the order of a Java hash map.
fn shown(outcome: &Outcome) -> String {
    let output = masked(&outcome.output);
    // What Java has thrown goes to standard output, too.
    let is_compared = |line: &&str| !line.contains("Exception") && !line.starts_with("\tat ");
    let mut lines: Vec<&str> = output.lines().filter(is_compared).collect();
    lines.sort_unstable();
    std::format!("exit code {}\n{}", outcome.code, lines.join("\n"))
}

/// Without paths and ids of directories, and without the reason why a file can't be read. Which of two directories is
/// named that are formatted is up to a Java hash map, too.
fn masked(text: &str) -> String {
    let mut masked = String::new();
    for line in text.lines() {
        let line = line.replace("of-java", "D").replace("of-ours", "D");
        let line = match line.split_once("directory.id=") {
            Some((before, rest)) => std::format!("{before}directory.id=ID{}", &rest[22..]),
            None => line,
        };
        let line = line.replace("/two is already formatted", "/one is already formatted");
        let unreadable = line.find("Error loading").map(|at| &line[..at]);
        masked.push_str(unreadable.unwrap_or(&line));
        masked.push('\n');
    }
    masked
}

#[test]
fn directories_are_formatted_as_by_kafkas_tool() {
    compare(&[
        Do(with_static_voters),
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw"),
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --ignore-formatted"),
        format!("-t AAAAAN8mS1qvUcLUNwFmjw"),
        format!("-t AAAAAN8mS1qvUcLUNwFmjw -g"),
        // One of two, as after a disk was replaced.
        Do(|place| remove(&place.join("two/meta.properties"))),
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        INFO,
        // The first is the one with the metadata.
        Do(|place| remove(&place.join("one/meta.properties"))),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        INFO,
        Do(with_another_node_id),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        INFO,
    ]);
}

#[test]
fn directories_that_differ_or_cannot_be_read_are_told_as_by_kafkas_tool() {
    compare(&[
        Do(with_static_voters),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw"),
        Do(|place| {
            let text = "version=1\ncluster.id=other\nnode.id=1\n";
            fs::write(place.join("two/meta.properties"), text).expect("it can be written");
        }),
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        Do(|place| {
            let text = "version=1\ncluster.id=QdcUrN8mS1qvUcLUNwFmjw\nnode.id=5\n";
            fs::write(place.join("two/meta.properties"), text).expect("it can be written");
        }),
        INFO,
        Do(|place| {
            fs::write(place.join("two/meta.properties"), "version=9\n").expect("it can be written");
        }),
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        Do(|place| {
            fs::write(place.join("one/meta.properties"), "version=9\n").expect("it can be written");
        }),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g"),
        Do(|place| {
            fs::remove_dir_all(place.join("two")).expect("it is there");
            fs::write(place.join("two"), "a file").expect("it can be written");
        }),
        INFO,
    ]);
}

#[test]
fn features_and_voters_that_make_no_sense_are_refused_as_by_kafkas_tool() {
    compare(&[
        Do(with_static_voters),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature no.such=1"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature eligible.leader.replicas.version"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature eligible.leader.replicas.version=x"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --release-version 9.9"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -r 4.4-IV0"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature metadata.version=3"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature metadata.version=20 -r 4.0"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -r 3.9 --feature eligible.leader.replicas.version=1"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --feature kraft.version=1"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --standalone"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -I 1@localhost:9093:JEXY6aqzQY-32P5TStzaFg"),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw --standalone --no-initial-controllers"),
        format!(""),
        Call("format -t QdcUrN8mS1qvUcLUNwFmjw"),
        Call("format -t QdcUrN8mS1qvUcLUNwFmjw -c /no/such/file"),
        Call("info"),
        Call("nothing"),
        Call("feature-dependencies"),
        // None of these has formatted anything.
        INFO,
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -r 3.9 --no-initial-controllers"),
        Do(|place| remove(&place.join("two/meta.properties"))),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g --feature metadata.version=25"),
        Do(|place| remove(&place.join("two/meta.properties"))),
        format!("-t QdcUrN8mS1qvUcLUNwFmjw -g -r 4.0 --feature eligible.leader.replicas.version=1"),
    ]);
}

#[test]
fn levels_of_releases_are_those_of_kafkas_tool() {
    compare(&[
        Call("version-mapping"),
        Call("version-mapping --release-version 3.3-IV3"),
        Call("version-mapping --release-version 3.9"),
        Call("version-mapping -r 4.0.1"),
        Call("version-mapping -r 4.1"),
        Call("version-mapping -r 4.2-IV0"),
        Call("version-mapping -r 4.4-IV0"),
        Call("version-mapping -r 2.8"),
        Call("feature-dependencies -f metadata.version=30"),
        Call("feature-dependencies -f metadata.version=3"),
        Call("feature-dependencies -f group.version=1 -f eligible.leader.replicas.version=1"),
        Call("feature-dependencies --feature transaction.version=2 --feature kraft.version=1"),
        Call("feature-dependencies -f share.version=9"),
        Call("feature-dependencies -f no.such=1"),
        Call("feature-dependencies -f group.version"),
        Call("feature-dependencies -f group.version=x"),
    ]);
}

/// What this broker does not serve is refused, with what to do instead.
#[test]
fn what_is_not_served_is_refused_with_a_sentence() {
    let place = tempfile::tempdir().expect("a directory");
    let without_voters = STATIC.replace("controller.quorum.voters", "#");
    for (settings, arguments, expected) in [
        (
            STATIC,
            "--feature group.version=1",
            "group.version 1 is not served",
        ),
        (
            STATIC,
            "--add-scram SCRAM-SHA-256=[name=a,password=b]",
            "--add-scram is not served",
        ),
        (&without_voters, "--standalone", "controller.quorum.voters"),
        (
            &without_voters,
            "--no-initial-controllers",
            "controller.quorum.voters",
        ),
    ] {
        configure(place.path(), settings);
        let config = place.path().join("config.properties");
        let ran = Command::new(program())
            .args([
                "storage",
                "format",
                "-t",
                CLUSTER_ID,
                "-c",
                path_text(&config),
            ])
            .args(arguments.split_whitespace())
            .output()
            .expect("the program starts");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(told.contains(expected), "{arguments}: {told}");
        assert_eq!(ran.status.code(), Some(1));
        assert!(!place.path().join("one").exists());
    }
}

#[test]
fn a_single_node_is_formatted_by_its_toml_alone() {
    let place = tempfile::tempdir().expect("a directory");
    let (config, data) = (place.path().join("broker.toml"), place.path().join("data"));
    let text = std::format!("node.id = 7\nlog.dirs = {:?}\n", path_text(&data));
    fs::write(&config, text).expect("it can be written");
    let storage = |arguments: &[&str]| {
        let common = ["-c", path_text(&config)];
        let ran = Command::new(program())
            .arg("storage")
            .args(arguments)
            .args(common)
            .output();
        ran.expect("the program starts")
    };

    let id = Command::new(program())
        .args(["storage", "random-uuid"])
        .output();
    let id = String::from_utf8(id.expect("the program starts").stdout).expect("text");
    let formatted = storage(&["format", "-t", id.trim()]);
    let told = storage(&["info"]);

    assert!(formatted.status.success() && told.status.success());
    let told = String::from_utf8(told.stdout).expect("text");
    assert!(
        told.contains(&std::format!("cluster.id={}", id.trim())),
        "{told}"
    );
    assert!(told.contains("node.id=7"), "{told}");
}

/// Makes a topic on a broker, or finds that it is there.
fn use_topics(nodes: &Nodes, existing: &[&str], new: &str) {
    let bootstrap = nodes.bootstrap(nodes.ids()[0]);
    let run = |arguments: &str| {
        let arguments = std::format!("--bootstrap-server {bootstrap} {arguments}");
        let arguments: Vec<String> = arguments.split_whitespace().map(str::to_owned).collect();
        let outcome = ours::call(&TOPICS.call(""), &arguments);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.output
    };
    let listed = run("--list");
    for topic in existing {
        assert!(listed.contains(topic), "{listed}");
    }
    run(&std::format!("--create --topic {new} --partitions 2"));
}

#[test]
fn both_brokers_start_on_what_our_tool_has_formatted() {
    for (test, first) in [(104, Maker::Apache), (105, Maker::Ours)] {
        let Some(mut nodes) = Nodes::combined(test, &[Maker::Apache], &[]) else {
            return;
        };
        let node = nodes.ids()[0];
        fs::remove_dir_all(nodes.data_dir(node)).expect("it was formatted");
        let config = nodes.place(node).directory().join("server.properties");
        let formatted = Command::new(program())
            .args([
                "storage",
                "format",
                "-t",
                CLUSTER_ID,
                "-c",
                path_text(&config),
            ])
            .output()
            .expect("the program starts");
        assert!(formatted.status.success(), "{formatted:?}");
        if first == Maker::Ours {
            nodes.hand_over(node, Maker::Ours);
        }

        nodes.start(node);
        use_topics(&nodes, &[], "a");
        nodes.stop(node);
        let other = match first {
            Maker::Ours => Maker::Apache,
            Maker::Apache => Maker::Ours,
        };
        nodes.hand_over(node, other);
        nodes.start(node);
        use_topics(&nodes, &["a"], "b");
        nodes.stop(node);
    }
}

#[test]
fn our_broker_starts_on_what_kafkas_tool_has_formatted() {
    let Some(mut nodes) = Nodes::combined(106, &[Maker::Apache], &[]) else {
        return;
    };
    let node = nodes.ids()[0];
    nodes.hand_over(node, Maker::Ours);

    nodes.start(node);
    use_topics(&nodes, &[], "a");
    nodes.stop(node);
    nodes.hand_over(node, Maker::Apache);
    nodes.start(node);
    use_topics(&nodes, &["a"], "b");
}
