//! What a shell completes by the script of `broker completions`.

use std::fs;
use std::process::{Command, Stdio};

use crate::support::{path_text, program};

/// What bash proposes for the last of these words, by the function that is registered for the first.
fn proposed(words: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let script = directory.path().join("completions");
    fs::write(&script, completions("bash")).expect("a file");
    let act = format!(
        "source {} || exit 1
         found=$(complete -p \"$1\") || exit 1
         [[ $found =~ -F\\ ([^ ]+) ]] || exit 1
         COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1))
         \"${{BASH_REMATCH[1]}}\" \"$1\" \"${{@: -1}}\" \"${{@: -2:1}}\"
         for word in \"${{COMPREPLY[@]}}\"; do echo \"$word\"; done",
        path_text(&script)
    );
    let done = Command::new("bash")
        .args(["--norc", "-c", &act, "bash"])
        .args(words)
        .current_dir(directory.path())
        .output()
        .expect("there is a bash");
    let output = String::from_utf8_lossy(&done.stdout);
    assert!(done.stderr.is_empty(), "{words:?}: {done:?}");
    output.lines().map(str::to_owned).collect()
}

fn completions(shell: &str) -> Vec<u8> {
    let done = Command::new(program())
        .args(["completions", shell])
        .stderr(Stdio::inherit())
        .output()
        .expect("the program starts");
    assert!(done.status.success() && !done.stdout.is_empty(), "{shell}");
    done.stdout
}

#[test]
fn bash_completes_the_flags_of_a_tool_by_both_of_its_names() {
    for words in [
        &["kafka-topics.sh", "--boot"][..],
        &["broker", "topics", "--boot"],
        &["broker", "topics", "--list", "--boot"],
    ] {
        assert_eq!(proposed(words), ["--bootstrap-server"], "{words:?}");
    }
}

#[test]
fn bash_completes_the_names_of_tools_and_the_values_that_there_are() {
    for (words, proposals) in [
        (
            &["broker", "console-"][..],
            &["console-consumer", "console-producer"][..],
        ),
        (&["broker", "metadata-quorum", "desc"], &["describe"]),
        (&["kafka-storage.sh", "random"], &["random-uuid"]),
        (&["kafka-topics.sh", "--format", "j"], &["json"]),
        (&["broker", "completions", "z"], &["zsh"]),
    ] {
        assert_eq!(proposed(words), proposals, "{words:?}");
    }
}

#[test]
fn bash_proposes_no_flag_that_is_not_taken() {
    assert_eq!(proposed(&["broker", "health", "--conf"]), ["--config"]);
    assert!(proposed(&["broker", "groups", "--conf"]).is_empty());
}

#[test]
fn every_link_is_completed_by_every_shell() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let made = Command::new(program())
        .arg("install-links")
        .arg(directory.path())
        .status();
    assert!(made.expect("the program starts").success());
    let links: Vec<String> = fs::read_dir(directory.path())
        .expect("a directory")
        .map(|link| {
            link.expect("a link")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    assert!(links.len() > 10, "{links:?}");

    for (shell, registers) in [
        ("bash", "complete -F"),
        ("fish", "complete -c"),
        ("zsh", "compdef"),
    ] {
        let script = String::from_utf8(completions(shell)).expect("text");
        for link in &links {
            let is_registered = |line: &str| {
                let line = line.trim_start();
                line.starts_with(registers) && line.split_whitespace().any(|word| word == link)
            };
            assert!(script.lines().any(is_registered), "{shell}: {link}");
        }
    }
}
