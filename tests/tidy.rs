//! The structure as checks: every file says what it is, pure folders are pure, folders use only those
//! above them, so do the rooms within a folder, and no file grows without an end.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folders and files of `src`, bottom-up: each uses only those before it.
const ORDER: [&str; 19] = [
    "model",
    "clock",
    "config",
    "telemetry",
    "protocol",
    "records",
    "security",
    "quota",
    "network",
    "storage",
    "raft",
    "metadata",
    "replication",
    "coordinator",
    "client",
    "health",
    "api",
    "web",
    "broker",
];

/// The rooms of a folder, bottom-up: each uses only those before it. A room is named by its whole
/// path where another uses it.
const ROOMS: [(&str, &[&str]); 3] = [
    (
        "replication",
        &[
            "error",
            "high_watermark",
            "delayed",
            "leadership",
            "fetch_session",
            "partition",
            "settings",
            "hosted",
            "throttle",
            "listener",
            "threads",
            "dirs",
            "moves",
            "upkeep",
            "fetch",
            "follower",
            "replicas",
            "manager",
        ],
    ),
    (
        "coordinator",
        &[
            "java_hash",
            "shard",
            "runtime",
            "group",
            "group_coordinator",
        ],
    ),
    (
        "client",
        &[
            "retry",
            "connection",
            "line",
            "cluster",
            "requests",
            "producer",
            "consumer",
        ],
    ),
];

/// Folders, and files, that decide without sockets, files, clock or chance, but for drivers among them.
const PURE: [&str; 49] = [
    "protocol",
    "records",
    "security",
    "quota",
    "raft",
    "metadata",
    "replication/error.rs",
    "replication/high_watermark.rs",
    "replication/delayed",
    "replication/leadership",
    "replication/fetch_session",
    "replication/partition",
    "replication/settings.rs",
    "replication/hosted.rs",
    "replication/throttle.rs",
    "replication/listener.rs",
    "replication/fetch/answer.rs",
    "replication/fetch/item.rs",
    "replication/fetch/job.rs",
    "replication/fetch/request.rs",
    "replication/fetch/round.rs",
    "replication/follower",
    "replication/manager",
    "coordinator/group",
    "coordinator/java_hash.rs",
    "coordinator/shard.rs",
    "coordinator/runtime/append_error.rs",
    "coordinator/runtime/batches.rs",
    "coordinator/runtime/retry.rs",
    "client/retry.rs",
    "client/producer/accumulator.rs",
    "client/producer/partitioner.rs",
    "client/consumer/assignor",
    "client/consumer/fetched.rs",
    "client/consumer/group/protocol.rs",
    "web/pages/frame.rs",
    "web/pages/charts/ring.rs",
    "web/pages/charts/svg.rs",
    "web/pages/messages/asked.rs",
    "web/pages/messages/decode.rs",
    "web/pages/messages/filter",
    "web/pages/messages/lanes.rs",
    "web/pages/messages/render.rs",
    "web/pages/messages/view.rs",
    "web/pages/query.rs",
    "web/pages/render",
    "web/pages/time.rs",
    "web/pages/view",
    "web/pages/ways.rs",
];

/// What tests put in the place of real parts: used by tests alone.
const DOUBLES: &str = "doubles";

/// The only file that reads the time of day.
const CLOCK: &str = "clock.rs";

/// What a pure file does not mention.
const IMPURE: [&str; 13] = [
    "tokio::",
    "std::fs",
    "std::net",
    "std::thread",
    "rustix::",
    "getrandom",
    "Instant::now",
    "SystemTime::now",
    "clock::wall_clock",
    "RandomState",
    "std::process",
    "std::env",
    "std::io::stdin",
];

/// Public items that no production code names but where they are, and why they are there. Messages
/// of APIs that are not served yet (`protocol/messages`) are compared with two oracles.
const UNREACHED: [(&str, &str); 7] = [
    ("build_empty", "tests forge what clients must not send"),
    (
        "created_topics",
        "the other side of deleted_topics, by which tests see a delta",
    ),
    (
        "end_transaction_marker",
        "the transaction coordinator will write them",
    ),
    ("leader_and_epoch", "tests wait for a leader"),
    ("offline_dirs", "tests ask which directories failed"),
    ("open_files", "tests count descriptors"),
    ("set_authenticated", "SASL will"),
];

/// A longer file is split by meaning.
const MAX_LINES: usize = 500;

/// A longer function is split, from its signature to its last brace.
const MAX_FUNCTION_LINES: usize = 70;

struct Source {
    path: PathBuf,
    /// The first part of the path below `src`, without `.rs`.
    folder: String,
    text: String,
}

impl Source {
    /// The text up to its unit tests.
    fn code(&self) -> &str {
        let parts = self.text.split("#[cfg(test)]\nmod tests {").next();
        parts.expect("split yields at least one part")
    }

    /// The functions, each with its name, the number of its first line and how many lines it has.
    fn functions(&self) -> Vec<(&str, usize, usize)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut functions = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let mut words = line.split(|c| !is_word(c));
            if line.trim_start().starts_with("//") || !words.any(|word| word == "fn") {
                continue;
            }
            // rustfmt puts the last brace below the first word of the signature.
            let last = format!("{indent}}}");
            let length = lines[at..].iter().position(|line| *line == last);
            let (Some(name), Some(length)) = (words.next(), length) else {
                continue;
            };
            let signature_ends = |line: &&&str| line.ends_with(['{', '}', ';']);
            let end = lines[at..].iter().find(signature_ends);
            if end.is_some_and(|end| end.ends_with('{')) {
                functions.push((name, at + 1, length + 1));
            }
        }
        functions
    }

    /// Lines of code with their numbers, comments left out.
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self
            .code()
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line));
        numbered.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn is_driver(&self) -> bool {
        let stem = self
            .path
            .file_stem()
            .expect("a file")
            .to_string_lossy()
            .into_owned();
        let in_driver_folder = self.path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part == "driver" || part.ends_with("_driver")
        });
        stem == "driver" || stem.ends_with("_driver") || in_driver_folder
    }

    /// The names of its modules below `src`: `a/b.rs` and `a/b/mod.rs` are both `a::b`.
    fn modules(&self) -> Vec<String> {
        let path = self.path.with_extension("");
        let names = path.components();
        let names = names.map(|part| part.as_os_str().to_string_lossy().into_owned());
        names.filter(|name| name != "mod").collect()
    }

    fn is_test(&self) -> bool {
        self.path.file_stem().is_some_and(|stem| stem == "tests")
            || self
                .path
                .components()
                .any(|part| part.as_os_str() == "tests")
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src can be read") {
            let path = entry.expect("src can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let below = path
                    .strip_prefix(&root)
                    .expect("it is below src")
                    .to_owned();
                let first = below
                    .components()
                    .next()
                    .expect("a file")
                    .as_os_str()
                    .to_string_lossy();
                found.push(Source {
                    folder: first.trim_end_matches(".rs").to_owned(),
                    text: fs::read_to_string(&path).expect("sources are UTF-8"),
                    path: below,
                });
            }
        }
    }
    assert!(found.len() > 50, "only {} files found", found.len());
    found
}

fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_file_opens_with_what_it_is() {
    let silent: Vec<String> = sources()
        .iter()
        .filter(|file| !file.text.starts_with("//! "))
        .map(Source::name)
        .collect();

    none(&silent);
}

#[test]
fn a_module_with_a_folder_opens_in_its_mod_rs() {
    let files = sources();
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.path.parent()).collect();
    let beside_its_folder = |file: &&Source| folders.contains(&*file.path.with_extension(""));
    let strays = files.iter().filter(beside_its_folder).map(Source::name);

    none(&strays.collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let is_long = |file: &&Source| file.text.lines().count() > MAX_LINES;
    let long: Vec<String> = sources().iter().filter(is_long).map(Source::name).collect();

    none(&long);
}

#[test]
fn no_function_is_longer_than_a_page() {
    let mut complaints = Vec::new();
    for file in sources() {
        for (name, number, length) in file.functions() {
            if length > MAX_FUNCTION_LINES {
                complaints.push(format!("{}:{number}: {name} has {length}", file.name()));
            }
        }
    }

    none(&complaints);
}

#[test]
fn a_bool_is_asked_with_if() {
    let mut complaints = Vec::new();
    for file in sources() {
        for (number, line) in file.lines() {
            let line = line.trim_start();
            if line.starts_with("true => ") || line.starts_with("false => ") {
                complaints.push(format!("{}:{number} matches a bool", file.name()));
            }
        }
    }

    none(&complaints);
}

#[test]
fn pure_folders_touch_neither_sockets_nor_files_nor_the_clock() {
    let mut complaints = Vec::new();
    for file in sources() {
        let is_pure = PURE.iter().any(|pure| file.path.starts_with(pure));
        if !is_pure || file.is_driver() || file.is_test() {
            continue;
        }
        for (number, line) in file.lines() {
            for word in IMPURE.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", file.name()));
            }
        }
    }

    none(&complaints);
}

#[test]
fn folders_use_only_those_before_them() {
    let place = |folder: &str| ORDER.iter().position(|name| *name == folder);
    let mut complaints = Vec::new();
    for file in sources() {
        let Some(own) = place(&file.folder) else {
            continue;
        };
        for (number, line) in file.lines() {
            for used in line
                .match_indices("crate::")
                .map(|(at, word)| &line[at + word.len()..])
            {
                let used = used
                    .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next();
                let Some(used) = used.and_then(place) else {
                    continue;
                };
                if used > own {
                    complaints.push(format!("{}:{number} uses {}", file.name(), ORDER[used]));
                }
            }
        }
    }

    none(&complaints);
}

/// The first name of a path.
fn first_name(path: &str) -> &str {
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    &path[..end.unwrap_or(path.len())]
}

/// The most `super` that a path in this line begins with.
fn most_supers(line: &str) -> usize {
    let starts = line.match_indices("super::").map(|(at, _)| &line[at..]);
    let counts = starts.map(|mut rest| {
        let mut count = 0;
        while let Some(next) = rest.strip_prefix("super::") {
            (rest, count) = (next, count + 1);
        }
        count
    });
    counts.max().unwrap_or(0)
}

#[test]
fn rooms_use_only_those_before_them() {
    let mut complaints = Vec::new();
    let files = sources();
    for (folder, rooms) in ROOMS {
        let place = |room: &str| rooms.iter().position(|name| *name == room);
        let outside = format!("crate::{folder}::");
        for file in files
            .iter()
            .filter(|file| file.folder == folder && !file.is_test())
        {
            let modules = file.modules();
            let Some(own) = modules.get(1) else {
                continue;
            };
            let Some(own_place) = place(own) else {
                complaints.push(format!(
                    "{}: {own} has no place among the rooms",
                    file.name()
                ));
                continue;
            };
            for (number, line) in file.lines() {
                let mut complain = |what: &str| {
                    complaints.push(format!("{}:{number}: {what}", file.name()));
                };
                if most_supers(line) >= modules.len() - 1 {
                    complain("another room is named by its whole path");
                }
                for (at, word) in line.match_indices(&outside) {
                    let used = first_name(&line[at + word.len()..]);
                    match place(used) {
                        None => complain("one room at a time is named"),
                        Some(used_place) if used_place > own_place => {
                            complain(&format!("uses {used}"));
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }

    none(&complaints);
}

#[test]
fn production_files_and_test_doubles_are_apart() {
    let mut complaints = Vec::new();
    for file in sources() {
        if file.folder == DOUBLES || file.is_test() {
            continue;
        }
        for (number, line) in file.lines() {
            if line.contains(&format!("{DOUBLES}::")) {
                complaints.push(format!("{}:{number} uses a test double", file.name()));
            }
        }
    }

    none(&complaints);
}

#[test]
fn one_file_reads_the_wall_clock() {
    let mut complaints = Vec::new();
    for file in sources() {
        for (number, line) in file.lines().filter(|_| file.name() != CLOCK) {
            if line.contains("SystemTime::now") || line.contains("UNIX_EPOCH.elapsed") {
                complaints.push(format!("{}:{number} reads it", file.name()));
            }
        }
    }

    none(&complaints);
}

/// Whether a line of a file's code opens a public item: its name.
fn public_item(line: &str) -> Option<&str> {
    let line = line.trim_start().strip_prefix("pub ")?;
    let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut words = words.skip_while(|word| ["async", "const", "unsafe"].contains(word));
    // A constant's own keyword was passed over: its name is a word in capitals.
    let kind = words.next()?;
    let is_kind = ["fn", "struct", "enum", "trait", "type", "static"].contains(&kind);
    let is_constant = kind.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if is_kind {
        words.next()
    } else {
        Some(kind).filter(|_| is_constant)
    }
}

/// Words of production code: of whole files, without comments and inline tests.
fn words(file: &Source) -> impl Iterator<Item = &str> {
    let production = file.text.split("#[cfg(test)]\nmod tests {").next();
    let lines = production.into_iter().flat_map(str::lines);
    let code = lines.filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_'))
}

#[test]
fn what_only_tests_reach_is_listed_with_its_reason() {
    let files = sources();
    let production = || {
        let files = files.iter();
        files.filter(|file| !file.is_test() && file.folder != DOUBLES)
    };
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in production().flat_map(words) {
        *counts.entry(word).or_default() += 1;
    }
    let is_definition = |file: &&Source| file.path.starts_with("protocol/messages");
    let mut unused = BTreeSet::new();
    for file in production().filter(|file| !is_definition(file)) {
        let names = file.lines().filter_map(|(_, line)| public_item(line));
        unused.extend(names.filter(|name| counts[name] == 1));
    }

    let listed: BTreeSet<&str> = UNREACHED.iter().map(|(name, _)| *name).collect();
    assert_eq!(unused, listed);
}

#[test]
fn nothing_is_left_for_later_in_the_code() {
    let words = [
        "todo!",
        "unimplemented!",
        ".unwrap()",
        "TODO",
        "FIXME",
        "XXX",
    ];
    let mut complaints = Vec::new();
    for file in sources().iter().filter(|file| !file.is_test()) {
        for (number, line) in file.lines() {
            for word in words.iter().filter(|word| line.contains(**word)) {
                complaints.push(format!("{}:{number}: {word}", file.name()));
            }
        }
    }

    none(&complaints);
}
