//! What is told while it happens: the live tail of a topic, the news that pages follow, the charts of the last hour.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use broker::protocol::ErrorCode;
use broker::records::Compression;
use serde_json::Value;

use crate::browser::{get, json};
use crate::chromium::Chromium;
use crate::records::{Written, commit, value, write};
use crate::support::Broker;
use crate::topics;
use crate::voice::wait_for;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream of events.
struct Stream(BufReader<TcpStream>);

impl Stream {
    fn open(address: &str, path: &str) -> Self {
        let mut socket = TcpStream::connect(address).expect("somebody listens");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("it can be set");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n");
        socket.write_all(request.as_bytes()).expect("it is sent");
        Self(BufReader::new(socket))
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).expect("it comes in time");
        (read > 0).then(|| line.trim_end().to_owned())
    }

    /// The data of the next event of this name; `None` if the stream ends before.
    fn next(&mut self, name: &str) -> Option<Value> {
        let wanted = format!("event: {name}");
        while self.line()? != wanted {}
        let line = self.line()?;
        let data = line.strip_prefix("data: ").expect("data follows");
        Some(serde_json::from_str(data).expect("JSON"))
    }

    fn status(&mut self) -> u16 {
        let line = self.line().expect("an answer");
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
        status.expect("a status")
    }
}

fn broker_with_topic() -> (Broker, String) {
    let broker = Broker::start_with(&[("admin.listeners", "http://127.0.0.1:0")]);
    let created = topics::create(broker.bootstrap(), "t", (1, 1), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let address = broker.admin();
    (broker, address)
}

#[test]
fn the_live_tail_tells_what_comes_and_how_much_it_leaves_out() {
    let (mut broker, address) = broker_with_topic();
    let write_one = |text: &str| {
        write(
            broker.bootstrap(),
            ("t", 0),
            Compression::None,
            &[value(text)],
        )
    };
    write_one("before");
    let mut all = Stream::open(&address, "/topics/t/live/events");
    let mut some = Stream::open(
        &address,
        "/topics/t/live/events?filter=value%20contains%20%22b%22",
    );
    for stream in [&mut all, &mut some] {
        stream.next("begin").expect("it begins");
    }

    write_one("a");
    write_one("b");

    let told = all.next("messages").expect("messages");
    assert_eq!(told["messages"][0]["value"]["text"], "a");
    assert_eq!(
        some.next("messages").expect("messages")["messages"][0]["value"]["text"],
        "b"
    );
    let many: Vec<Written<'_>> = (0..2_000).map(|_| value("many")).collect();
    write(broker.bootstrap(), ("t", 0), Compression::None, &many);
    let mut seen = (0, 0);
    while seen.0 + seen.1 < 2_000 {
        let told = all.next("messages").expect("messages");
        let messages = told["messages"].as_array().expect("messages");
        let is_many = |it: &&Value| it["value"]["text"] == "many";
        seen.0 += messages.iter().filter(is_many).count();
        seen.1 += usize::try_from(told["left_out"].as_u64().expect("a number")).expect("small");
    }
    assert_eq!(seen.0 + seen.1, 2_000);
    assert!(seen.1 > 1_000, "{seen:?}");

    broker.stop();

    assert!(all.next("messages").is_none(), "it ends with the node");
}

#[test]
fn pages_are_told_when_to_look_again_and_few_may_follow() {
    let (broker, address) = broker_with_topic();
    let mut streams: Vec<Stream> = Vec::new();
    let refused = loop {
        let mut stream = Stream::open(&address, "/events");
        match stream.status() {
            200 => streams.push(stream),
            status => break status,
        }
        assert!(streams.len() < 100, "there is no bound");
    };
    assert_eq!(refused, 503);
    let first = &mut streams[0];
    first.next("look").expect("once at the beginning");
    let created = topics::create(broker.bootstrap(), "another", (1, 1), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    first.next("look").expect("there is something new");

    streams.clear();

    wait_for("the places to be free again", || {
        (Stream::open(&address, "/events").status() == 200).then_some(())
    });
}

#[test]
fn a_list_is_renewed_in_a_browser_and_what_one_has_typed_stays() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (broker, address) = broker_with_topic();
    browser.open(&format!("http://{address}/topics"));
    let field = "document.querySelector('input[type=search]')";
    browser.value(&format!("{field}.value = 'typed'; window.isSame = true"));

    let created = topics::create(broker.bootstrap(), "another", (1, 1), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));

    let renewed = "(async () => { while (!document.getElementById('live').textContent.includes('another')) \
                   await new Promise(it => setTimeout(it, 20)); return window.isSame; })()";
    assert_eq!(browser.value(renewed), true);
    assert_eq!(browser.value(&format!("{field}.value")), "typed");
}

#[test]
fn charts_have_the_last_hour_as_numbers_and_as_drawings() {
    let (broker, address) = broker_with_topic();
    write(
        broker.bootstrap(),
        ("t", 0),
        Compression::None,
        &[value("a"), value("b"), value("c")],
    );
    commit(broker.bootstrap(), "<svg onload=alert(1)>", ("t", 0), 1);

    let charts = wait_for("the lag to be measured", || {
        let charts = json(&address, "/charts");
        let lag = charts["lag"]["<svg onload=alert(1)>"]
            .as_array()?
            .last()?
            .as_f64()?;
        (lag == 2.0).then_some(charts)
    });

    let samples = charts["times"].as_array().expect("times").len();
    for (name, values) in charts["values"].as_object().expect("values") {
        assert_eq!(
            values.as_array().expect("an array").len(),
            samples,
            "{name}"
        );
    }
    let written = charts["values"]["records_in_per_second"]
        .as_array()
        .expect("rates");
    assert!(
        written.iter().any(|it| it.as_f64() > Some(0.0)),
        "{written:?}"
    );
    assert!(charts["values"]["memory_bytes"][0].as_f64() > Some(1e6));
    assert!(charts["values"]["disk_free_bytes"][0].as_f64() > Some(0.0));
    assert!(charts["values"]["open_descriptors"][0].as_f64() > Some(10.0));
    let page = get(&address, "/charts", &[]).body;
    assert_eq!(page.matches("<svg viewBox=").count(), 9);
    assert!(page.contains("&lt;svg onload=alert(1)&gt;") && !page.contains("<svg onload"));
}
