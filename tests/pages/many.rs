//! A node with many partitions.

use std::time::{Duration, Instant};

use broker::protocol::ErrorCode;

use crate::browser::{get, json};
use crate::support::Broker;
use crate::topics;
use crate::voice::wait_for;

const TOPICS: usize = 100;
const PARTITIONS: i32 = 100;
/// How long a page may take; a debug build takes several times as long.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 50 });

#[test]
fn a_page_of_ten_thousand_partitions_takes_no_time() {
    let broker = Broker::start_with(&[("admin.listeners", "http://127.0.0.1:0")]);
    let address = broker.admin();
    for number in 0..TOPICS {
        let name = format!("topic-{number:03}");
        let created = topics::create(broker.bootstrap(), &name, (PARTITIONS, 1), &[]);
        assert_eq!(created, Some(ErrorCode::NONE));
    }
    wait_for("all sizes to be told", || {
        let rows = json(&address, "/topics?sort=size&rows=1000");
        let rows = rows["rows"].as_array()?;
        rows.iter().all(|row| row["bytes"].is_u64()).then_some(())
    });

    for path in [
        "/",
        "/topics?sort=size&order=desc",
        "/topics/topic-050",
        "/brokers",
        "/topics?q=09",
    ] {
        // Others have the machine as well: the best of some counts.
        let times = (0..7).map(|_| {
            let asked = Instant::now();
            assert_eq!(get(&address, path, &[]).status, 200);
            asked.elapsed()
        });
        let best = times.min().expect("there are some");
        println!("{path}: {best:?}");
        assert!(best < LIMIT, "{path} takes {best:?}");
    }
    let part = json(&address, "/topics?q=topic-&page=2");
    assert_eq!((&part["matching"], &part["page"]), (&100.into(), &2.into()));
    assert_eq!(part["rows"][0]["name"], "topic-050");
}
