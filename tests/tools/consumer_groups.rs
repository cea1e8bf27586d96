//! `kafka-consumer-groups.sh`, for groups that nobody is in and for groups with members.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::apache::Apache;
use crate::call::{Call, PRODUCER, TOPICS, Tool, compare, compare_beside};
use crate::nodes::Maker;
use crate::support::{path_text, program, tools};

const GROUPS: Tool = Tool {
    name: "consumer-groups",
    class: "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
};

const fn on(arguments: &'static str) -> Call {
    GROUPS.call(arguments)
}

/// Resets the offsets of one group on one topic, or only tells it.
macro_rules! reset {
    ($rest:literal) => {
        on(concat!(
            "{on} --reset-offsets --group {t}-g --topic {t} ",
            $rest
        ))
        .in_any_order()
    };
}

const RECORDS: &str = "a\t1\nb\t2\nc\t3\na\t4\nd\t5\ne\t6\nf\t7\ng\t8\n";

/// Groups that nobody is in, made by a reset.
fn idle_groups() -> Vec<Call> {
    let produce = PRODUCER.call("{on} --topic {t} --reader-property parse.key=true");
    vec![
        TOPICS.call("{on} --create --topic {t} --partitions 3"),
        TOPICS.call("{on} --create --topic {t}-other-with-a-very-long-name --partitions 1"),
        produce.with_input(RECORDS),
        on("{on} --list"),
        on("{on} --delete --all-groups"),
        on("{on} --describe --all-groups"),
        on("{on} --reset-offsets --all-groups --all-topics --to-earliest --dry-run"),
        reset!("--to-earliest").told(),
        on("{on} --list"),
        reset!("--to-earliest --execute").told(),
        on("{on} --list").in_any_order(),
        on("{on} --list --state").in_any_order(),
        on("{on} --list --type").in_any_order(),
        on("{on} --list --state --type").in_any_order(),
        on("{on} --list --state empty").in_any_order(),
        on("{on} --list --state Stable,dead"),
        on("{on} --list --type classic").in_any_order(),
        on("{on} --list --type Consumer,classic --state Empty").in_any_order(),
        on("{on} --list --type consumer"),
        on("{on} --describe --group {t}-g").told_after_blank(),
        on("{on} --describe --group {t}-g --offsets --verbose").told_after_blank(),
        on("{on} --describe --group {t}-g --members").told_after_blank(),
        on("{on} --describe --group {t}-g --members --verbose").told_after_blank(),
        on("{on} --describe --group {t}-g --state").told_after_blank(),
        on("{on} --describe --group {t}-g --state --verbose").told_after_blank(),
        on("{on} --describe --all-groups").told_after_blank(),
        on("{on} --describe --all-groups --state"),
    ]
}

fn resets() -> Vec<Call> {
    let from_file = |text| reset!("--from-file {f} --execute").with_file(text);
    vec![
        reset!("--shift-by 1 --execute"),
        reset!("--shift-by -5 --dry-run"),
        reset!("--shift-by 100 --dry-run"),
        reset!("--to-current --execute"),
        on("{on} --describe --group {t}-g"),
        reset!("--to-latest --execute"),
        reset!("--to-offset 1 --dry-run"),
        reset!("--to-offset 99 --dry-run"),
        reset!("--to-offset -99 --dry-run"),
        reset!("--to-datetime 2000-01-01T00:00:00.000 --dry-run"),
        reset!("--to-datetime 2000-01-01T00:00:00.000+01:00 --dry-run"),
        reset!("--to-datetime 2000-01-01T00:00:00.000-01 --dry-run"),
        reset!("--to-datetime 2100-01-01T00:00:00.000Z --dry-run"),
        reset!("--by-duration P1D --dry-run"),
        reset!("--by-duration PT0S --dry-run"),
        reset!("--by-duration p1dt-1h0.5s --dry-run"),
        reset!("--to-latest --dry-run --export"),
        on("{on} --reset-offsets --group {t}-g --all-topics --to-earliest --dry-run").in_any_order(),
        on("{on} --reset-offsets --group {t}-g --group {t}-h --topic {t} --to-latest --execute --export")
            .in_any_order(),
        on("{on} --reset-offsets --group {t}-g --topic {t}:0,2 --topic {t}-other-with-a-very-long-name --to-earliest \
            --execute")
            .in_any_order(),
        on("{on} --reset-offsets --group {t}-g --all-topics --to-latest --dry-run --export").in_any_order(),
        on("{on} --reset-offsets --group {t}-nobody --all-topics --to-earliest --execute"),
        on("{on} --describe --group {t}-g --group {t}-h"),
        from_file("{t},0,1\n{t},1,0\r\n"),
        from_file("{t}-g,{t},2,1\n{t}-h,{t},2,1\n"),
        from_file("{t}-h,\"{t}\",2,1\n"),
        from_file("{t},1\n"),
        on("{on} --reset-offsets --group {t}-g --from-file {f} --dry-run").with_file("{t},1,1"),
        from_file("{t},x,1\n"),
        from_file("{t},0,x\n"),
        from_file("{t}-g,{t},0,99999999999999999999\n"),
        from_file("{t}-g,{t},0,1,2\n"),
        from_file("{t}-g,{t},99999999999999999999,1\n"),
        from_file("{t}-g,{t},9999999999,1\n"),
        from_file("{t},0,1\n\n{t},1,1\n"),
        from_file(""),
        from_file("\n"),
        on("{on} --reset-offsets --group {t}-g --group {t}-h --from-file {f} --dry-run --export")
            .with_file("{t}-g,{t},2,1\n{t}-h,{t},2,0\n")
            .in_any_order(),
        on("{on} --describe --group {t}-g"),
    ]
}

fn deletions() -> Vec<Call> {
    vec![
        on("{on} --delete-offsets --group {t}-g --topic {t}:0"),
        on("{on} --delete-offsets --group {t}-g --topic {t}:0,9"),
        on(
            "{on} --delete-offsets --group {t}-g --topic {t}:1 --topic {t}-other-with-a-very-long-name",
        ),
        on("{on} --delete-offsets --group {t}-g --topic {t} --topic {t}-missing"),
        on("{on} --delete-offsets --group {t}-g --topic {t}-missing"),
        on("{on} --delete-offsets --group {t}-missing --topic {t}"),
        on("{on} --delete-offsets --group {t}-g --group {t}-h --topic {t}"),
        on("{on} --delete-offsets --group {t}-g --topic {t}:x").told(),
        on("{on} --describe --group {t}-g"),
        on("{on} --delete --group {t}-h --group {t}-missing"),
        on("{on} --delete --group {t}-h"),
        on("{on} --delete --group {t}-g"),
        on("{on} --describe --group {t}-g"),
        on("{on} --describe --group {t}-g --members"),
        on("{on} --describe --group {t}-g --state"),
        on("{on} --list --state --type").in_any_order(),
    ]
}

/// Arguments that make no sense, and what cannot be done.
fn bad_calls() -> Vec<Call> {
    vec![
        on("").told(),
        on("{on}").told(),
        on("--list").told(),
        on("{on} --list --describe --group a").told(),
        on("{on} --describe"),
        on("{on} --describe --group a --members --offsets").told(),
        on("{on} --describe --group a --state Stable").told(),
        on("{on} --describe --group a --topic t").told(),
        on("{on} --describe --group a --all-groups").told(),
        on("{on} --delete"),
        on("{on} --delete --group a --topic t").told(),
        on("{on} --delete-offsets --group a"),
        on("{on} --list --group a").told(),
        on("{on} --list --topic a").told(),
        on("{on} --list --members"),
        on("{on} --list --type share").told(),
        on("{on} --list --state wrong"),
        on("{on} --delete --group a --state"),
        on("{on} --reset-offsets --group a --dry-run --execute").told(),
        on("{on} --reset-offsets --to-earliest --topic t").told(),
        on("{on} --reset-offsets --to-earliest --topic t --dry-run"),
        on("{on} --reset-offsets --group a --to-earliest --to-latest --dry-run").told(),
        on("{on} --reset-offsets --group a --shift-by 1 --from-file x --dry-run").told(),
        on("{on} --reset-offsets --group a --to-earliest --dry-run").told(),
        on("{on} --reset-offsets --group a --topic {t} --dry-run"),
        reset!("--to-offset x --dry-run"),
        reset!("--shift-by 1.5 --dry-run"),
        reset!("--shift-by 1 --dry-run").told(),
        reset!("--to-datetime yesterday --dry-run"),
        reset!("--to-datetime 2023-02-30T00:00:00.000 --dry-run"),
        reset!("--to-datetime 2023-02-20T00:00:00 --dry-run"),
        reset!("--by-duration P --dry-run"),
        reset!("--by-duration 1D --dry-run"),
        reset!("--from-file /no/such/file --dry-run"),
        on("{on} --reset-offsets --group a --topic {t}:x --to-earliest --dry-run").told(),
        on("{on} --reset-offsets --group a --topic {t}: --to-earliest --dry-run").told(),
        on("{on} --reset-offsets --group a --topic {t}:0:1 --to-earliest --dry-run").told(),
        on("{on} --reset-offsets --group a --topic {t}:0,9,-1 --to-earliest --dry-run"),
        on("{on} --reset-offsets --group a --topic {t}-missing --to-earliest --dry-run"),
        on("{on} --reset-offsets --group a --topic {t}-missing:0 --to-earliest --dry-run"),
        on("{on} --reset-offsets --group a --topic not/good --to-earliest --dry-run"),
        on("{on} --list --timeout x"),
        on("{on} --list --command-config /no/such/file"),
        on("--bootstrap-server nonsense --list"),
        on("--bootstrap-server localhost:1 --list --timeout 300"),
        on("--bootstrap-server localhost:1 --list --state --timeout 300"),
        on("{on} --list --validate-regex a"),
        on("{on} --no-such-option"),
    ]
}

fn regular_expressions() -> Vec<Call> {
    vec![
        on("--validate-regex a.*"),
        on("--validate-regex a{2,3}?|[[:alpha:]-]|(?i:b)"),
        on(r"--validate-regex (?P<n>a)(?<m>b)\pN\p{Greek}\Q*(\E"),
        on("--validate-regex (a"),
        on("--validate-regex a)"),
        on("--validate-regex [a"),
        on("--validate-regex [z-a]"),
        on("--validate-regex [[:nobody:]]"),
        on("--validate-regex *a"),
        on("--validate-regex a**"),
        on("--validate-regex a{2}{3}"),
        on("--validate-regex a{1001}"),
        on("--validate-regex a{,2}"),
        on(r"--validate-regex \1"),
        on(r"--validate-regex \y"),
        on(r"--validate-regex a\"),
        on(r"--validate-regex \p{Nobody}"),
        on("--validate-regex (?=a)"),
        on("--validate-regex (?<=a)"),
        on("--validate-regex (?i"),
        on("--validate-regex (?P<>a)"),
        on("--validate-regex (?P<n>a)(?P<n>b)"),
    ]
}

#[test]
fn idle_groups_and_bad_calls_are_as_with_kafkas_tool() {
    let calls = [
        idle_groups(),
        resets(),
        deletions(),
        bad_calls(),
        regular_expressions(),
    ];
    compare(&calls.concat(), 176);
}

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn ours(bootstrap: &str, words: &str) -> Command {
    let mut command = Command::new(program());
    let mut words = words.split(' ');
    command.args(words.next());
    command.args(["--bootstrap-server", bootstrap]).args(words);
    command
}

/// Begins to read a topic as a member of a group, with our console consumer.
fn member(bootstrap: &str, group: &str, more: &str) -> Running {
    let words = format!(
        "console-consumer --topic live --from-beginning --group {group} --command-property \
         auto.commit.interval.ms=100{more}"
    );
    let child = ours(bootstrap, &words).stdout(Stdio::null()).spawn();
    Running(child.expect("the program starts"))
}

/// Has Apache's broker serve the newer protocol, which it is formatted without.
fn serve_newer(bootstrap: &str) {
    let apache = Apache::find().expect("it was there before");
    let arguments = [
        "--bootstrap-server",
        bootstrap,
        "upgrade",
        "--feature",
        "group.version=1",
    ];
    let upgraded = apache.run("org.apache.kafka.tools.FeatureCommand", &arguments);
    upgraded.expect_success();
}

/// Begins to read the topic with Kafka's console consumer, by the newer protocol.
fn newer_member(bootstrap: &str, group: &str) -> Running {
    let jars = tools::kafka_jars().expect("they were there before");
    let arguments = format!(
        "--bootstrap-server {bootstrap} --topic live --from-beginning --group {group} --command-property \
         auto.commit.interval.ms=100 --command-property group.protocol=consumer"
    );
    let child = Command::new("java")
        .args(["-Xmx128m", "-XX:TieredStopAtLevel=1"])
        .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=off")
        .args(["-cp", &format!("{}/*", path_text(&jars))])
        .arg("org.apache.kafka.tools.consumer.ConsoleConsumer")
        .args(arguments.split(' '))
        .stdout(Stdio::null())
        .spawn();
    Running(child.expect("java starts"))
}

/// Waits until a group has settled, with as many members, and has committed offsets of both partitions.
fn settle(bootstrap: &str, group: &str, members: usize) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        let told = |what: &str| {
            let words = format!("consumer-groups --describe --group {group} {what}");
            let told = ours(bootstrap, &words)
                .output()
                .expect("the program starts");
            String::from_utf8(told.stdout).expect("text")
        };
        let state = told("--state");
        let offsets = told("--offsets");
        let cells = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let rows: Vec<Vec<String>> = offsets.lines().skip(2).map(cells).collect();
        let has_members =
            state.contains(" Stable ") && state.trim_end().ends_with(&format!(" {members}"));
        let has_offsets = |row: &Vec<String>| row.len() > 6 && row[3] != "-" && row[6] != "-";
        if has_members && rows.len() == 2 && rows.iter().all(has_offsets) {
            return;
        }
        assert!(Instant::now() < deadline, "{state}\n{offsets}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Groups with members: one with two, one with a static member and, on Apache's broker, one with a member by each
/// protocol.
fn groups_with_members(maker: Maker, bootstrap: &str) -> Vec<Running> {
    let created = ours(bootstrap, "topics --create --topic live --partitions 2").output();
    assert!(created.expect("the program starts").status.success());
    let words = "console-producer --topic live --reader-property parse.key=true";
    let mut producer = ours(bootstrap, words).stdin(Stdio::piped()).spawn();
    let producer = producer.as_mut().expect("the program starts");
    let mut input = producer.stdin.take().expect("it is piped");
    input.write_all(RECORDS.as_bytes()).expect("it reads");
    drop(input);
    assert!(producer.wait().expect("it ends").success());

    let of_instance = " --command-property group.instance.id=an-instance";
    let mut members = vec![
        member(bootstrap, "pair", ""),
        member(bootstrap, "pair", ""),
        member(bootstrap, "static", of_instance),
    ];
    if maker == Maker::Apache {
        serve_newer(bootstrap);
        members.push(newer_member(bootstrap, "mixed"));
        settle(bootstrap, "mixed", 1);
        members.push(member(bootstrap, "mixed", ""));
        settle(bootstrap, "mixed", 2);
    }
    settle(bootstrap, "pair", 2);
    settle(bootstrap, "static", 1);
    members
}

#[test]
fn groups_with_members_are_as_with_kafkas_tool() {
    let mut calls = vec![
        on("{on} --list --state --type").in_any_order(),
        on("{on} --list --state stable").in_any_order(),
        on("{on} --list --type consumer --state"),
        on("{on} --describe --all-groups"),
        on("{on} --describe --all-groups --members --verbose"),
        on("{on} --describe --all-groups --state --verbose"),
        on("{on} --reset-offsets --group pair --topic live --to-earliest --execute"),
        on("{on} --reset-offsets --group pair --group {t}-g --topic live --to-earliest --execute")
            .in_any_order(),
        on("{on} --reset-offsets --group mixed --topic live:0 --to-earliest --export --dry-run"),
        on("{on} --delete --group pair"),
        on("{on} --delete-offsets --group pair --topic live"),
        on("{on} --delete-offsets --group static --topic live:0,7"),
    ];
    for arguments in [
        "{on} --describe --group pair",
        "{on} --describe --group pair --verbose",
        "{on} --describe --group pair --members",
        "{on} --describe --group pair --members --verbose",
        "{on} --describe --group pair --state",
        "{on} --describe --group static",
        "{on} --describe --group static --members",
        "{on} --describe --group static --members --verbose",
        "{on} --describe --group mixed",
        "{on} --describe --group mixed --verbose",
        "{on} --describe --group mixed --members --verbose",
        "{on} --describe --group mixed --state",
        "{on} --describe --group mixed --state --verbose",
    ] {
        calls.push(on(arguments));
    }
    compare_beside(&calls, 178, groups_with_members);
}
