//! Damaged copies of a partition's files.

use std::fs;
use std::path::Path;

use super::{Pair, files};
use crate::random::Random;

const SUFFIXES: [&str; 6] = [
    ".log",
    ".checkpoint",
    ".index",
    ".timeindex",
    ".snapshot",
    ".txnindex",
];
const FLAGS: [&str; 6] = [
    "--files {f}",
    "--files {f} --deep-iteration",
    "--files {f} --cluster-metadata-decoder",
    "--files {f} --offsets-decoder",
    "--files {f} --verify-index-only",
    "--files {f} --index-sanity-check",
];

/// Damages a file of a copy of the folder in each round, and looks at all that belong to the same segment.
pub fn compare(pair: &mut Pair, folder: &Path, rounds: usize) {
    let seed = std::env::var("SEED").map_or(1, |seed| seed.parse().expect("a number"));
    let mut random = Random::new(seed);
    let found: Vec<_> = SUFFIXES
        .iter()
        .flat_map(|suffix| files(folder, suffix))
        .filter(|file| fs::metadata(file).is_ok_and(|it| it.len() > 0))
        .collect();
    if found.is_empty() {
        return;
    }
    for _ in 0..rounds {
        let place = tempfile::tempdir().expect("a directory");
        for file in SUFFIXES.iter().flat_map(|suffix| files(folder, suffix)) {
            let name = file.file_name().expect("it has a name");
            fs::copy(&file, place.path().join(name)).expect("it can be copied");
        }
        let chosen = &found[random.below(found.len())];
        let name = chosen.file_name().expect("it has a name");
        let damaged = place.path().join(name);
        damage(&damaged, &mut random);
        let stem = name.to_str().and_then(|name| name.split('.').next());
        for suffix in SUFFIXES {
            let others = files(place.path(), suffix).into_iter();
            let of_segment = others.filter(|file| {
                let name = file.file_name().and_then(|name| name.to_str());
                name.and_then(|name| name.split('.').next()) == stem
            });
            for file in of_segment {
                pair.call(FLAGS[random.below(FLAGS.len())], &file);
                if file == damaged {
                    pair.call(FLAGS[random.below(2)], &file);
                }
            }
        }
    }
}

/// Flips a bit, writes another byte or number, takes a part out, cuts the file, or adds to it.
fn damage(path: &Path, random: &mut Random) {
    let mut bytes = fs::read(path).expect("it is there");
    let at = random.below(bytes.len());
    match random.below(7) {
        0 | 1 => bytes[at] ^= 1 << random.below(8),
        2 => bytes[at] = random.next() as u8,
        3 => bytes.truncate(at),
        4 => {
            let until = (at + random.below(64)).min(bytes.len());
            bytes.drain(at..until);
        }
        5 => {
            let until = (at + 8).min(bytes.len());
            bytes[at..until].fill(0);
        }
        _ => bytes.extend((0..random.below(100)).map(|number| number as u8)),
    }
    fs::write(path, bytes).expect("it can be written");
}
