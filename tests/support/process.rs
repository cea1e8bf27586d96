//! A child process whose output is kept and can be waited for. It never outlives its test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

/// A running child process.
pub struct Process {
    child: Child,
    output: Arc<Output>,
}

/// A figure of a process in bytes, such as `VmRSS`.
pub fn memory(pid: u32, figure: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find(|line| line.starts_with(figure));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.expect("it is told").parse::<usize>().expect("a number") << 10
}

/// What a process left behind.
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it printed, standard output and error interleaved by line.
    pub output: String,
}

#[derive(Default)]
struct Output {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    text: Vec<String>,
    /// How many lines `wait_for_line` has looked at.
    seen: usize,
    open_pipes: usize,
}

impl Process {
    /// Starts `program` with `arguments`.
    pub fn spawn(program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments);
        Self::spawn_command(&mut command)
    }

    /// Starts `command` with its output captured and no input.
    pub fn spawn_command(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let output = Arc::new(Output::default());
        output.lines.lock().open_pipes = 2;
        collect(child.stdout.take().expect("stdout is piped"), &output);
        collect(child.stderr.take().expect("stderr is piped"), &output);
        Self { child, output }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line that contains `text` among those not yet waited for.
    ///
    /// # Panics
    /// When the process ends, or `limit` passes, without such a line.
    pub fn wait_for_line(&mut self, text: &str, limit: Duration) -> String {
        let mut lines = self.output.lines.lock();
        let from = lines.seen;
        let place = self.find_line(&mut lines, from, text, limit);
        lines.seen = place + 1;
        lines.text[place].clone()
    }

    /// Waits until there is a line that contains `text` among all that was printed, also before what was
    /// waited for: for what may come sooner or later than that.
    ///
    /// # Panics
    /// When the process ends, or `limit` passes, without such a line.
    pub fn wait_until_printed(&self, text: &str, limit: Duration) -> String {
        let mut lines = self.output.lines.lock();
        let place = self.find_line(&mut lines, 0, text, limit);
        lines.text[place].clone()
    }

    /// The place of the first line with `text`, of those from `from` on.
    fn find_line(
        &self,
        lines: &mut MutexGuard<'_, Lines>,
        from: usize,
        text: &str,
        limit: Duration,
    ) -> usize {
        let deadline = Instant::now() + limit;
        let mut from = from;
        loop {
            let found = lines.text[from..]
                .iter()
                .position(|line| line.contains(text));
            if let Some(place) = found {
                return from + place;
            }
            from = lines.text.len();
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                lines.open_pipes > 0 && !left.is_zero(),
                "no line with {text:?}; the output was:\n{}",
                lines.text.join("\n")
            );
            self.output.changed.wait_for(lines, left);
        }
    }

    /// All lines so far.
    pub fn output(&self) -> String {
        self.output.lines.lock().text.join("\n")
    }

    /// Sends SIGTERM and waits for the end.
    pub fn stop(mut self, limit: Duration) -> Stopped {
        self.signal(rustix::process::Signal::TERM);
        self.wait(limit)
    }

    /// Sends a signal. After SIGSTOP all of its threads stand still.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = i32::try_from(self.pid()).expect("pids fit");
        let pid = rustix::process::Pid::from_raw(pid).expect("a child's pid is not 0");
        rustix::process::kill_process(pid, signal).expect("the child can be signalled");
        if signal == rustix::process::Signal::STOP {
            self.wait_until_it_stands_still();
        }
    }

    /// The signal is taken by one thread, when that gets to run; until then the others go on.
    fn wait_until_it_stands_still(&self) {
        let threads = format!("/proc/{}/task", self.pid());
        let stands = |thread: std::fs::DirEntry| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            // The state follows the name, which is in parentheses.
            stat.rsplit(") ")
                .next()
                .is_some_and(|rest| rest.starts_with('T'))
        };
        loop {
            let threads = std::fs::read_dir(&threads).expect("the child is there");
            if threads.map_while(Result::ok).all(stands) {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Whether it has ended, by itself or not.
    pub fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("the child can be awaited")
            .is_some()
    }

    /// Waits until the process has ended by itself.
    pub fn wait(&mut self, limit: Duration) -> Stopped {
        let deadline = Instant::now() + limit;
        let mut lines = self.output.lines.lock();
        while lines.open_pipes > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "it did not end; the output was:\n{}",
                lines.text.join("\n")
            );
            self.output.changed.wait_for(&mut lines, left);
        }
        let output = lines.text.join("\n");
        drop(lines);
        Stopped {
            status: self.child.wait().expect("the child can be awaited"),
            output,
        }
    }

    /// Sends SIGKILL and reaps the process.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
        if thread::panicking() {
            println!("--- output of process {}:\n{}", self.pid(), self.output());
        }
    }
}

fn collect(pipe: impl Read + Send + 'static, output: &Arc<Output>) {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            output.lines.lock().text.push(line);
            output.changed.notify_all();
        }
        output.lines.lock().open_pipes -= 1;
        output.changed.notify_all();
    });
}
