//! The forms as a real browser has them: they work under the policy of the pages, by keyboard, without a script; and
//! neither what is typed in them nor a page of somebody else does any harm.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::browser::json as data;
use crate::changing::{PASSWORD, ordered};
use crate::chromium::Chromium;
use crate::guard::node;

const HOSTILE: &str = "javascript:alert(1)//\"><img src=x onerror=alert(1)></textarea></script><script>alert(1)</script>";

/// Logs in by keyboard, on the way to a page.
fn log_in(browser: &mut Chromium, address: &str, page: &str) {
    browser.open(&format!("http://{address}{page}"));
    assert_eq!(browser.value("location.pathname"), "/login");
    browser.type_and_enter(PASSWORD);
    assert_eq!(browser.value("location.pathname + location.search"), page);
}

/// How many topics there are beside internal ones.
fn topics(address: &str) -> Value {
    data(address, "/topics")["matching"].clone()
}

#[test]
fn a_topic_is_made_with_the_keyboard_alone() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);

    log_in(&mut browser, &address, "/change/create-topic");
    assert_eq!(
        browser.value("document.cookie"),
        "",
        "no script reads the session"
    );
    browser.type_and_enter("typed");

    assert_eq!(browser.value("location.pathname"), "/topics/typed");
    let notice = browser.value("document.querySelector('.notice').textContent");
    assert_eq!(notice, "Topic typed is created.");
    browser.open(&format!("http://{address}/change/delete-topic?topic=typed"));
    browser.type_and_enter("no");
    let message = browser.value("document.querySelector('[role=alert]').textContent");
    assert_eq!(message, "Type its name: This is not its name.");
    browser.follow("document.querySelector('form.account button').click()");
    browser.open(&format!("http://{address}/change/create-topic"));
    assert_eq!(browser.value("location.pathname"), "/login");
    assert_eq!(topics(&address), 1);
}

#[test]
fn what_is_typed_in_any_form_stays_text() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    ordered(&address, "/change/create-topic", &json!({"topic": "t"}));
    let described = data(&address, "/openapi.json");
    let paths = described["paths"].as_object().expect("paths");
    let changes = paths.keys().filter(|it| it.starts_with("/change/"));
    log_in(&mut browser, &address, "/change/quota");

    for path in changes {
        browser.open(&format!("http://{address}{path}"));
        let typed = browser.value(&format!(
            "(() => {{ const all = document.querySelectorAll('form.change input[type=text], textarea'); \
             for (const it of all) it.value = {}; return all.length; }})()",
            json!(HOSTILE)
        ));
        browser.follow("document.querySelector('form.change .buttons button').click()");
        assert_eq!(browser.value("window.ran"), false, "{path}");
        let strange = "document.querySelectorAll('img, svg, script:not([src]), iframe').length \
             + [...document.links].filter(it => it.protocol !== 'http:').length";
        assert_eq!(browser.value(strange), 0, "{path}");
        let is_kept = browser.value(&format!(
            "document.body.textContent.includes({0}) \
             || [...document.querySelectorAll('input, textarea')].some(it => it.value.includes({0}))",
            json!(HOSTILE)
        ));
        assert!(is_kept == true || typed == 0, "{path}");
    }
    assert_eq!(topics(&address), 1);
}

/// Serves this page, once for each who asks.
fn elsewhere(page: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("it is bound").to_string();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("somebody asks");
            let _ = socket.read(&mut [0; 4_096]);
            let length = page.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length:";
            let _ = write!(socket, "{head} {length}\r\n\r\n{page}");
        }
    });
    address
}

#[test]
fn a_page_of_somebody_else_neither_changes_nor_frames_anything() {
    let Some(mut browser) = Chromium::start() else {
        return;
    };
    let (_broker, address) = node(&[("admin.password", PASSWORD)]);
    log_in(&mut browser, &address, "/change/create-topic");
    // Even with a token that it can't know.
    let token = browser.value("document.querySelector('[name=form_token]').value");
    let token = token.as_str().expect("a token");
    let target = format!("http://{address}/change/create-topic");

    let form = format!(
        "<form method=post action='{target}'><input name=topic value=stolen>\
         <input name=form_token value='{token}'></form>"
    );
    // A browser takes another port of the same host for the same site, and sends the cookie.
    browser.open(&format!("http://{}/", elsewhere(form)));
    browser.follow("document.forms[0].submit()");
    assert_eq!(browser.value("location.href"), target.as_str());
    let said = browser.value("document.querySelector('.verdict').textContent");
    assert!(
        said.as_str().is_some_and(|it| it.contains("another page")),
        "{said}"
    );
    assert_eq!(topics(&address), 0);

    let script = format!(
        "<script>const send = (headers, body) => fetch('{target}', \
         {{ method: 'POST', credentials: 'include', headers, body }}).then(it => 'read', () => 'refused'); \
         window.done = Promise.all([send({{ 'Content-Type': 'application/json', 'X-Requested-By': 'x' }}, \
         '{{\"topic\": \"stolen\"}}'), send({{ 'Content-Type': 'text/plain' }}, 'topic=stolen'), \
         fetch('{target}', {{ credentials: 'include' }}).then(it => 'read', () => 'refused')]);</script>\
         <iframe src='{target}'></iframe>"
    );
    browser.open(&format!("http://{}/", elsewhere(script)));
    assert_eq!(
        browser.value("window.done"),
        json!(["refused", "refused", "refused"])
    );
    let framed = browser.value(
        "(() => { try { return window.frames[0].location.href; } catch (error) { return error.name; } })()",
    );
    assert_eq!(
        framed, "SecurityError",
        "it is an error page of the browser"
    );
    assert_eq!(topics(&address), 0);
}
