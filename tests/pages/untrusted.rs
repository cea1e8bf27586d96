//! What a real browser makes of messages that try to be more than text.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;
use broker::records::Compression;

use crate::chromium::Chromium;
use crate::records::{Written, write};
use crate::support::Broker;
use crate::support::http::query_part;
use crate::topics;

/// What would run if it were not text.
const HOSTILE: [&str; 8] = [
    "<img src=x onerror=alert(1)>",
    "</script><script>alert(1)</script>",
    "</pre></td></tr></table><svg onload=alert(1)>",
    "\"><iframe srcdoc=\"<script>parent.alert(1)</script>\">",
    "' autofocus onfocus='alert(1)",
    "{\"a\":\"</title><script>alert(1)</script>\"}",
    "\u{1b}]0;alert\u{7}\u{1b}[31m\u{202e}txt.exe",
    "javascript:alert(1)",
];

fn broker_with_topic() -> (Broker, String) {
    let broker = Broker::start_with(&[("admin.listeners", "http://127.0.0.1:0")]);
    let created = topics::create(broker.bootstrap(), "t", (1, 1), &[]);
    assert_eq!(created, Some(ErrorCode::NONE));
    let address = broker.admin();
    (broker, address)
}

fn write_hostile(broker: &Broker, text: &str) {
    let bytes = text.as_bytes();
    let record = Written {
        timestamp: 1_000,
        key: Some(bytes),
        value: Some(bytes),
        headers: &[(text, Some(bytes)), ("invalid", Some(b"\xff\xfe<b>"))],
    };
    write(broker.bootstrap(), ("t", 0), Compression::Gzip, &[record]);
}

/// The elements in the page that none of ours are, and whether anything ran.
fn assert_is_text(browser: &mut Chromium, path: &str) {
    assert_eq!(browser.value("window.ran"), false, "{path}: it ran");
    let strangers = "document.querySelectorAll('img, iframe, main svg, main script, [onfocus], [href^=javascript]').length";
    assert_eq!(browser.value(strangers), 0, "{path}");
    let hidden = "/[\\u001b\\u0007\\u202e]/.test(document.body.textContent)";
    assert_eq!(browser.value(hidden), false, "{path}");
}

#[test]
fn hostile_messages_are_text_in_a_browser_wherever_they_are_shown() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (broker, address) = broker_with_topic();
    for text in HOSTILE {
        write_hostile(&broker, text);
    }
    let filter = query_part(HOSTILE[1]);
    let mut paths = vec![
        "/topics/t/messages".to_owned(),
        format!("/topics/t/messages?filter={filter}&at={filter}&from=offset"),
        format!("/topics/t/live?filter={filter}"),
    ];
    paths.extend((0..HOSTILE.len()).map(|it| format!("/topics/t/messages/0/{it}?value=text")));
    for path in paths {
        browser.open(&format!("http://{address}{path}"));
        assert_is_text(&mut browser, &path);
        let text = browser.value("document.querySelector('main').textContent.includes('alert')");
        assert_eq!(text, true, "{path}");
    }
}

#[test]
fn the_live_tail_puts_messages_into_the_page_as_text_and_pauses() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (broker, address) = broker_with_topic();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // It ends with the test, also where that fails.
            let until = Instant::now() + Duration::from_secs(20);
            while !is_over.load(Ordering::Relaxed) && Instant::now() < until {
                HOSTILE.iter().for_each(|text| write_hostile(&broker, text));
            }
        });
        let rows = "document.getElementById('arrived').rows.length";
        browser.open(&format!("http://{address}/topics/t/live"));
        let arrived = format!(
            "(async () => {{ while ({rows} < 8) await new Promise(it => setTimeout(it, 20)); return {rows}; }})()"
        );
        assert!(browser.value(&arrived).as_u64() >= Some(8));
        assert_is_text(&mut browser, "/topics/t/live");
        browser.value("document.getElementById('pause').click()");
        let paused = browser.value(rows);
        let waited = "(async () => { while (!/[1-9][0-9]* wait/.test(document.getElementById('following').textContent)) \
                      await new Promise(it => setTimeout(it, 20)); return true; })()";
        assert_eq!(browser.value(waited), true);
        assert_eq!(browser.value(rows), paused);
        is_over.store(true, Ordering::Relaxed);
    });
}
