//! Calls of our tools.

use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::call::{Call, Outcome};
use crate::support::program;

/// Makes a call.
pub fn call(call: &Call, arguments: &[String]) -> Outcome {
    let mut child = Command::new(program())
        .arg(call.tool.name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("it is piped");
    // A tool that needs no input may have ended already.
    let _ = input.write_all(call.input.as_bytes());
    drop(input);
    let ended = child.wait_with_output().expect("the program ends");
    Outcome {
        code: ended.status.code().unwrap_or(-1),
        output: String::from_utf8_lossy(&ended.stdout).into_owned(),
        errors: String::from_utf8_lossy(&ended.stderr).into_owned(),
    }
}
