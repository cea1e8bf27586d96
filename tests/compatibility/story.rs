//! One telling of a client's story to one broker, bounded in time.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::clients::{Client, Program};
use crate::{masks, topics};

/// How long a story may take on a busy machine; the slowest needs about a quarter of it.
const LIMIT: Duration = Duration::from_secs(150);
/// The last fact of a story that was told to its end.
const END: &str = "end: of the story";

/// Where programs are built, and where what they print is kept.
pub fn directory() -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compatibility");
    fs::create_dir_all(&directory).expect("the directory can be made");
    directory
}

/// Runs the program for the cluster called `side`, with topics of so many replicas, and gives the facts that it
/// printed.
///
/// # Errors
/// It failed, or did not come to its end in time: all that it printed.
pub fn tell(
    client: &Client,
    program: &Program,
    (side, bootstrap): (&str, &str),
    replicas: usize,
) -> Result<Vec<String>, String> {
    if client.creates_no_topics() {
        topics::create(bootstrap, &client.name, replicas)?;
    }
    let file = |kind: &str| directory().join(format!("{}.{side}-{replicas}.{kind}", client.name));
    let create = |kind: &str| File::create(file(kind)).expect("the output can be written");
    // `timeout` ends the program and, by their group, the members that it started.
    let mut command = Command::new("timeout");
    command
        .args(["--kill-after=5", &LIMIT.as_secs().to_string()])
        .args(program.words())
        .args([bootstrap, &client.name])
        .args(chapters())
        .envs(program.variables())
        .env("REPLICAS", replicas.to_string())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(create("out"))
        .stderr(create("err"));
    let mut child = command.spawn().map_err(|error| error.to_string())?;
    let status = child.wait().map_err(|error| error.to_string())?;
    end_group(&child);
    let read = |kind: &str| {
        let bytes = fs::read(file(kind)).expect("the output can be read");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let printed = read("out");
    if !status.success() || printed.lines().last() != Some(END) {
        let errors = read("err");
        return Err(format!(
            "the story was not told to its end for {side}: {status}\n{printed}\n{errors}"
        ));
    }
    Ok(masks::facts(&printed, bootstrap))
}

/// The chapters that are asked for; all when none are named.
fn chapters() -> Vec<String> {
    let named = std::env::var("CHAPTERS").unwrap_or_default();
    named.split_whitespace().map(str::to_owned).collect()
}

/// Kills what is left of the program's processes: a story that fails leaves its members behind.
fn end_group(child: &Child) {
    let id = i32::try_from(child.id()).expect("pids fit");
    let group = Pid::from_raw(id).expect("a child's pid is not 0");
    // There is nothing left to kill when all went well.
    let _ = kill_process_group(group, Signal::KILL);
}
