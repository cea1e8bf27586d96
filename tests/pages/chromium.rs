//! A real browser, without a window. It is told what to do through a pair of pipes, in Chromium's own protocol.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tools::program;

/// How long a page may take.
const LIMIT: Duration = Duration::from_secs(30);
/// Runs in each page before anything of it: what a page of somebody else would do is noted, and holds up nothing.
const WATCH: &str = "window.ran = false; \
    for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = () => { window.ran = true; };";

/// A browser with one page.
pub struct Chromium {
    child: Child,
    orders: File,
    answers: Receiver<Value>,
    session: String,
    last: u64,
    // It goes with its files when the browser has ended.
    _folder: tempfile::TempDir,
}

impl Chromium {
    /// Starts one; `None`, loudly, if there is none on this machine.
    pub fn start() -> Option<Self> {
        let program = program("chromium")?;
        let folder = tempfile::tempdir().expect("a directory");
        let path = |name: &str| folder.path().join(name);
        let (orders, answers) = (path("orders"), path("answers"));
        for pipe in [&orders, &answers] {
            let made = Command::new("mkfifo").arg(pipe).status();
            assert!(made.expect("mkfifo runs").success());
        }
        // Its protocol is spoken on descriptors 3 and 4.
        let script = "profile=$1 orders=$2 answers=$3 program=$4; exec \"$program\" --headless --no-sandbox \
            --disable-gpu --disable-dev-shm-usage --user-data-dir=\"$profile\" --remote-debugging-pipe about:blank \
            3<\"$orders\" 4>\"$answers\"";
        let child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args([path("profile"), orders.clone(), answers.clone()])
            .arg(program)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let orders = OpenOptions::new()
            .write(true)
            .open(orders)
            .expect("it is read");
        let answers = File::open(answers).expect("it is written");
        let mut browser = Self {
            child,
            orders,
            answers: listen(answers),
            session: String::new(),
            last: 0,
            _folder: folder,
        };
        let target = browser.call("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.call("Target.attachToTarget", &attach);
        attached["sessionId"]
            .as_str()
            .expect("a session")
            .clone_into(&mut browser.session);
        browser.call("Page.enable", &json!({}));
        browser.call(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({"source": WATCH}),
        );
        Some(browser)
    }

    /// Opens a page, and waits until all of it is there.
    pub fn open(&mut self, address: &str) {
        self.send("Page.navigate", &json!({"url": address}));
        self.wait_for_page();
    }

    /// Does something that leads to another page, and waits until all of that is there.
    pub fn follow(&mut self, script: &str) {
        let expression = format!("{script}; true");
        self.send("Runtime.evaluate", &json!({"expression": expression}));
        self.wait_for_page();
    }

    /// Types text where the focus is, and Enter, which leads to another page.
    pub fn type_and_enter(&mut self, text: &str) {
        // The focus comes with the first picture of a page, which may be later than the page.
        self.value(
            "(async () => { while (document.activeElement.tagName !== 'INPUT') \
             await new Promise(it => setTimeout(it, 5)); })()",
        );
        self.call("Input.insertText", &json!({"text": text}));
        for kind in ["keyDown", "keyUp"] {
            let key = json!({
                "type": kind, "key": "Enter", "code": "Enter", "text": "\r", "windowsVirtualKeyCode": 13,
            });
            self.send("Input.dispatchKeyEvent", &key);
        }
        self.wait_for_page();
    }

    /// What an expression is in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", &asked);
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].clone()
    }

    fn wait_for_page(&mut self) {
        while self.receive()["method"] != "Page.loadEventFired" {}
    }

    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        let id = self.send(method, parameters);
        loop {
            let mut answer = self.receive();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].take();
            }
        }
    }

    fn send(&mut self, method: &str, parameters: &Value) -> u64 {
        self.last += 1;
        let mut order = json!({"id": self.last, "method": method, "params": parameters});
        if !self.session.is_empty() {
            order["sessionId"] = json!(self.session);
        }
        let text = format!("{order}\0");
        self.orders.write_all(text.as_bytes()).expect("it listens");
        self.last
    }

    fn receive(&mut self) -> Value {
        let received = self.answers.recv_timeout(LIMIT);
        received.expect("the browser goes on")
    }
}

/// What the browser says, as it comes.
fn listen(answers: File) -> Receiver<Value> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for text in BufReader::new(answers).split(0) {
            let text = text.expect("it can be read");
            let said = serde_json::from_slice(&text).expect("JSON");
            if sender.send(said).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
