//! The `kafka-protocol` crate, which knows most APIs and versions, reads what is written here and
//! writes what is read here.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use kafka_protocol::protocol::{Decodable, Encodable, Message};

use crate::cases;
use crate::for_each_api_of_the_crate;
use crate::generate::{self, Random};

/// A message as the crate has it.
struct Theirs {
    name: &'static str,
    versions: std::ops::RangeInclusive<i16>,
    recode: fn(Bytes, i16) -> Result<Bytes, String>,
}

fn theirs<T: Message + Encodable + Decodable + Debug>(name: &'static str) -> Theirs {
    Theirs {
        name,
        versions: T::VERSIONS.min..=T::VERSIONS.max,
        recode: |mut bytes, version| {
            let value = T::decode(&mut bytes, version).map_err(|error| error.to_string())?;
            if !bytes.is_empty() {
                return Err(format!("{} bytes left", bytes.len()));
            }
            // A tag that they do not know would come back as it was.
            let text = format!("{value:?}");
            let maps = text.matches("unknown_tagged_fields: ").count();
            if text.matches("unknown_tagged_fields: {}").count() != maps {
                return Err(format!("unknown tagged fields in {text}"));
            }
            let mut written = BytesMut::new();
            let encoded = value.encode(&mut written, version);
            encoded.map_err(|error| error.to_string())?;
            Ok(written.freeze())
        },
    }
}

fn all_of_theirs() -> Vec<Theirs> {
    let mut all = Vec::new();
    macro_rules! push {
        ($($module:ident::{$request:ident, $response:ident},)*) => {
            $(
                all.push(theirs::<kafka_protocol::messages::$request>(stringify!($request)));
                all.push(theirs::<kafka_protocol::messages::$response>(stringify!($response)));
            )*
        };
    }
    for_each_api_of_the_crate!(push);
    all
}

#[test]
fn the_crate_reads_and_writes_the_same_bytes() {
    let seed = generate::seed(2);
    let mut random = Random::new(seed);
    let ours = cases::all();
    let mut compared = 0;
    let mut differences = String::new();

    for theirs in all_of_theirs() {
        let ours = ours.iter().find(|ours| ours.name == theirs.name);
        let ours = ours.expect("both lists have the same names");
        let versions = ours.versions.clone();
        for version in versions.filter(|version| theirs.versions.contains(version)) {
            compared += 1;
            for _ in 0..40 {
                let bytes = Bytes::from(generate::message(ours.schema, version, &mut random));
                let written = ours
                    .recode(bytes.clone(), version)
                    .map_err(|e| e.to_string());
                let read_by_them = written
                    .clone()
                    .and_then(|bytes| (theirs.recode)(bytes, version));
                let written_by_them = (theirs.recode)(bytes, version);
                let read_by_us = written_by_them
                    .and_then(|bytes| ours.recode(bytes, version).map_err(|e| e.to_string()));
                if read_by_them != written || read_by_us != written {
                    let lines = format!("ours   {written:x?}\n  theirs {read_by_them:x?}");
                    differences += &format!("{} {version}\n  {lines}\n", ours.name);
                    break;
                }
            }
        }
    }

    assert!(differences.is_empty(), "SEED={seed}\n{differences}");
    assert!(compared > 450, "only {compared} versions are shared");
}
