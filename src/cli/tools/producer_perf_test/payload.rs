//! What records hold: random letters, lines of a file, or numbers that count up.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use regex::Regex;

use crate::cli::tools::ending::Ending;
use crate::cli::tools::java_text::java_text;

/// Where the values of records come from.
#[derive(Debug)]
pub(super) enum Payload {
    /// So many letters from A to Z.
    Letters(Vec<u8>),
    /// One of these.
    Lines(Vec<Vec<u8>>),
    /// The number of the record.
    Count(Vec<u8>),
}

impl Payload {
    /// The parts of a file, which `delimiter`, a regular expression, separates.
    ///
    /// # Errors
    /// The file can't be read, is empty, or the delimiter is no expression.
    pub(super) fn of_file(path: &str, delimiter: &str) -> Result<Self, Ending> {
        let file = Path::new(path);
        let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        writeln!(
            io::stdout(),
            "Reading payloads from: {}",
            absolute.display()
        )?;
        let told = |error: io::Error| Ending::Failed(format!("{path}: {error}"));
        let missing = || Ending::Failed("File does not exist or empty file provided.".to_owned());
        let bytes = match fs::read(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(missing()),
            bytes => bytes.map_err(told)?,
        };
        if bytes.is_empty() {
            return Err(missing());
        }
        let delimiter = Regex::new(delimiter);
        let delimiter = delimiter.map_err(|error| Ending::Failed(error.to_string()))?;
        let lines = parts(&java_text(&bytes), &delimiter);
        writeln!(io::stdout(), "Number of records read: {}", lines.len())?;
        if lines.is_empty() {
            return Err(Ending::Failed(
                "No payload file, record size or payload-monotonic option provided.".to_owned(),
            ));
        }
        Ok(Self::Lines(lines))
    }

    /// The value of the record with this number.
    pub(super) fn next(&mut self, number: u64, chance: &mut Chance) -> &[u8] {
        match self {
            Self::Letters(letters) => {
                chance.fill(letters);
                letters
            }
            Self::Lines(lines) => {
                let chosen = chance.below(lines.len());
                &lines[chosen]
            }
            Self::Count(digits) => {
                digits.clear();
                // A vector takes all.
                let _ = write!(digits, "{number}");
                digits
            }
        }
    }
}

/// What is between delimiters. There is nothing before one at the beginning, nor behind one at the end.
fn parts(text: &str, delimiter: &Regex) -> Vec<Vec<u8>> {
    let mut parts: Vec<&str> = delimiter.split(text).collect();
    if parts.last() == Some(&"") {
        parts.pop();
    }
    if parts.first() == Some(&"") {
        parts.remove(0);
    }
    parts
        .into_iter()
        .map(|part| part.as_bytes().to_vec())
        .collect()
}

/// Numbers that look like chance, the same in each run (splitmix64).
#[derive(Debug)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Fills bytes with letters from A to Z, eight by each number.
    fn fill(&mut self, letters: &mut [u8]) {
        for part in letters.chunks_mut(8) {
            let random = self.next().to_be_bytes();
            for (letter, random) in part.iter_mut().zip(random) {
                *letter = b'A' + ((u16::from(random) * 26) >> 8) as u8;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_those_of_the_alphabet_and_others_each_time() {
        let mut payload = Payload::Letters(vec![0; 1000]);
        let mut chance = Chance(0);

        let first = payload.next(0, &mut chance).to_vec();
        let second = payload.next(1, &mut chance);

        assert!(first.iter().all(u8::is_ascii_uppercase) && first != second);
        assert!(first.contains(&b'A') && first.contains(&b'Z'));
    }

    #[test]
    fn a_file_has_parts_as_javas_scanner_has_them() {
        let split = |text, delimiter| {
            let delimiter = Regex::new(delimiter).expect("an expression");
            let parts = parts(text, &delimiter).into_iter();
            let texts = parts.map(|part| String::from_utf8(part).expect("text"));
            texts.collect::<Vec<_>>()
        };
        assert_eq!(split("a\n\nb\n", "\n"), ["a", "", "b"]);
        assert_eq!(split("\na", "\n"), ["a"]);
        assert_eq!(split("a,b;c", "[,;]"), ["a", "b", "c"]);
    }
}
