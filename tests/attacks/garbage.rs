//! What no client sends: it ends its own connection, and nobody else waits.

use std::io::Read as _;
use std::net::Shutdown;
use std::thread;
use std::time::{Duration, Instant};

use broker::protocol::ApiKey;
use broker::protocol::messages::api_versions::ApiVersionsRequest;
use broker::protocol::messages::metadata::MetadataRequest;

use crate::filler::{Filler, How, arrays, requests};
use crate::random::Random;
use crate::victim::{Victim, is_strict};
use crate::wire::{Wire, encoded};

fn times(strict: usize) -> usize {
    if is_strict() { strict } else { strict / 10 }
}

/// Sends bytes and takes what comes until the broker closes. One that went on waiting for more would
/// close at its deadline, long after this.
fn sent_and_over(victim: &Victim, bytes: &[u8]) {
    let mut wire = Wire::connect(victim.address());
    let _ = wire.send(bytes);
    let _ = wire.socket.shutdown(Shutdown::Write);
    let limit = Some(Duration::from_secs(20));
    wire.socket.set_read_timeout(limit).expect("not zero");
    // A reset is an end too.
    let _ = wire.socket.read_to_end(&mut Vec::new());
}

fn attack(what: &str, send: impl FnOnce(&Victim)) {
    let victim = Victim::start_with(&[("auto.create.topics.enable", "false")]);
    let witness = victim.witness();
    let begin = Instant::now();

    send(&victim);

    println!("{what}: {:?}", begin.elapsed());
    witness.finish(what);
    assert!(!victim.broker.log().contains("panic"), "{what}");
}

#[test]
fn random_bytes_hurt_nobody() {
    attack("random bytes", |victim| {
        let mut random = Random::new(9);
        for n in 0..times(3000) {
            let size = random.below(1 << (n % 14)) + 1;
            let mut bytes: Vec<u8> = (0..size).map(|_| random.next() as u8).collect();
            if n % 2 == 0 {
                // Behind a length that fits.
                bytes = [&(size as u32).to_be_bytes()[..], &bytes].concat();
            }
            sent_and_over(victim, &bytes);
        }
    });
}

#[test]
fn requests_that_are_damaged_or_cut_hurt_nobody() {
    attack("damaged requests", |victim| {
        let mut random = Random::new(10);
        for (key, schema) in requests() {
            for version in key.valid_versions() {
                let mut paths = arrays(schema, version);
                paths.push(Vec::new());
                let path = &paths[random.below(paths.len())];
                let whole = Filler::request((key, schema), version, path, 600, How::ALL[3]);
                for _ in 0..times(10) {
                    let mut bytes = whole.clone();
                    for _ in 0..random.below(3) {
                        let place = 8 + random.below(bytes.len() - 8);
                        bytes[place] = random.next() as u8;
                    }
                    let cut = 12 + random.below(bytes.len() - 11);
                    bytes.truncate(cut);
                    if random.below(2) == 0 {
                        let length = u32::try_from(cut - 4).expect("it is short");
                        bytes[..4].copy_from_slice(&length.to_be_bytes());
                    }
                    sent_and_over(victim, &bytes);
                }
            }
        }
    });
}

#[test]
fn versions_and_apis_that_there_are_not_hurt_nobody() {
    attack("unknown versions", |victim| {
        let keys = (-1..100).chain([i16::MAX, i16::MIN]);
        for key in keys {
            let newest = ApiKey::try_from(key).map_or(0, |key| *key.valid_versions().end());
            for version in [newest + 1, i16::MAX, -1, i16::MIN] {
                let mut bytes = vec![0, 0, 0, 11];
                bytes.extend(key.to_be_bytes());
                bytes.extend(version.to_be_bytes());
                bytes.extend([0, 0, 0, 1, 0xff, 0xff, 0]);
                sent_and_over(victim, &bytes);
            }
        }
    });
}

#[test]
fn lengths_beyond_all_measure_hurt_nobody() {
    attack("lengths", |victim| {
        // Metadata of version 9: the number of tagged fields, then that of topics.
        for body in [
            &[0xff_u8, 0xff, 0xff, 0xff, 0x0f][..],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0, 0xff, 0xff, 0xff, 0xff, 0x07],
            &[0x80; 30],
        ] {
            let mut bytes = vec![0, 3, 0, 9, 0, 0, 0, 1, 0xff, 0xff];
            bytes.extend(body);
            let length = u32::try_from(bytes.len()).expect("it is short");
            sent_and_over(victim, &[&length.to_be_bytes()[..], &bytes].concat());
        }
        for length in [i32::MIN, -1, 0, 7, i32::MAX, 0x16_03_01_02] {
            sent_and_over(victim, &[&length.to_be_bytes()[..], &[0; 64]].concat());
        }
        sent_and_over(victim, b"GET / HTTP/1.1\r\n\r\n");
        let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 0, 0, 0, 0];
        sent_and_over(victim, &hello);
    });
}

#[test]
fn a_hundred_thousand_requests_in_one_pipeline_are_answered_and_hold_nobody_up() {
    attack("a deep pipeline", |victim| {
        let deep = times(100_000);
        let one = encoded(&MetadataRequest::default(), 9);
        let versions = encoded(&ApiVersionsRequest::default(), 0);
        let mut wire = Wire::connect(victim.address());
        let mut reader = wire.socket.try_clone().expect("it is open");
        thread::scope(|scope| {
            scope.spawn(|| {
                let pair = [one, versions].concat().repeat(100);
                for _ in 0..deep / 200 {
                    wire.send(&pair).expect("it is read in the end");
                }
            });
            for _ in 0..deep {
                let mut length = [0; 4];
                reader.read_exact(&mut length).expect("an answer");
                let mut answer = vec![0; u32::from_be_bytes(length) as usize];
                reader.read_exact(&mut answer).expect("an answer");
            }
        });
    });
}

#[test]
fn a_thousand_peers_that_send_byte_by_byte_hold_nobody_up() {
    attack("byte by byte", |victim| {
        let request = encoded(&MetadataRequest::default(), 9);
        let mut peers: Vec<Wire> = (0..times(1000))
            .map(|_| Wire::connect(victim.address()))
            .collect();
        for byte in &request {
            for peer in &mut peers {
                peer.send(&[*byte]).expect("it is read");
            }
        }
        for peer in &mut peers {
            peer.receive().expect("an answer");
        }
    });
}
