//! Ids as Kafka's tools read them, with what Java says of those that are none.

use crate::model::Uuid;

/// A longer text is no id, whatever it says.
const LONGEST: usize = 24;

/// Reads an id, of which up to two `=` at the end are no part.
///
/// # Errors
/// It is none: why, in Java's words.
pub(super) fn parse(text: &str) -> Result<Uuid, String> {
    if text.encode_utf16().count() > LONGEST {
        let prefix: String = text.chars().take(LONGEST).collect();
        return Err(format!(
            "Input string with prefix `{prefix}` is too long to be decoded as a base64 UUID"
        ));
    }
    let bytes = decode(text)?;
    let count = bytes.len();
    let bytes = <[u8; 16]>::try_from(bytes);
    bytes.map(Uuid::from_bytes).map_err(|_| {
        format!(
            "Input string `{text}` decoded as {count} bytes, which is not equal to the expected 16 bytes of a base64-encoded \
             UUID"
        )
    })
}

/// Decodes base64 as Java does, which does not look at bits that are over.
fn decode(text: &str) -> Result<Vec<u8>, String> {
    let told = |reason: &str| Err(reason.to_owned());
    // What Latin-1 does not have is a question mark for Java.
    let units = text.chars().map(|it| u8::try_from(it).unwrap_or(b'?'));
    let units: Vec<u8> = units.collect();
    if units.len() == 1 {
        return told("Input byte[] should at least have 2 bytes for base64 bytes");
    }
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    let mut rest = units.iter().enumerate();
    while let Some((at, unit)) = rest.next() {
        if *unit == b'=' {
            let is_whole = match count % 4 {
                0 => false,
                2 => rest.next().is_some_and(|(_, next)| *next == b'='),
                _ => true,
            };
            if !is_whole {
                return told("Input byte array has wrong 4-byte ending unit");
            }
            break;
        }
        let Some(value) = value(*unit) else {
            return Err(format!(
                "Illegal base64 character {}",
                hexadecimal(units[at])
            ));
        };
        bits = bits << 6 | value;
        count += 1;
        if count % 4 != 1 {
            let over = 6 - 2 * (count + 3) % 8;
            bytes.push((bits >> over) as u8);
        }
    }
    if count % 4 == 1 {
        return told("Last unit does not have enough valid bits");
    }
    match rest.next() {
        None => Ok(bytes),
        Some((at, _)) => Err(format!(
            "Input byte array has incorrect ending byte at {at}"
        )),
    }
}

/// What a character of URL-safe base64 stands for.
fn value(unit: u8) -> Option<u32> {
    let value = match unit {
        b'A'..=b'Z' => unit - b'A',
        b'a'..=b'z' => unit - b'a' + 26,
        b'0'..=b'9' => unit - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// A byte as Java prints it, which has a sign.
fn hexadecimal(unit: u8) -> String {
    let signed = unit.cast_signed();
    let sign = if signed < 0 { "-" } else { "" };
    format!("{sign}{:x}", signed.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_printed() {
        for number in [0, 1, 0x0123_4567_89ab_cdef_0011_2233_4455_6677, u128::MAX] {
            let id = Uuid::from_bytes(number.to_be_bytes());

            assert_eq!(parse(&id.to_string()), Ok(id));
            assert_eq!(parse(&format!("{id}==")), Ok(id));
        }
    }

    #[test]
    fn what_is_no_id_is_told_in_javas_words() {
        let cases = [
            (
                "AAAAAAAAAAAAAAAAAAAAAAAAA",
                "Input string with prefix `AAAAAAAAAAAAAAAAAAAAAAAA` is too long to be decoded as a base64 UUID",
            ),
            (
                "a",
                "Input byte[] should at least have 2 bytes for base64 bytes",
            ),
            ("no id", "Illegal base64 character 20"),
            ("aaaa+", "Illegal base64 character 2b"),
            ("\u{e9}\u{e9}", "Illegal base64 character -17"),
            ("aaaaa", "Last unit does not have enough valid bits"),
            ("aaaa=", "Input byte array has wrong 4-byte ending unit"),
            ("aa=a", "Input byte array has wrong 4-byte ending unit"),
            ("aa==a", "Input byte array has incorrect ending byte at 4"),
            (
                "aaaa",
                "Input string `aaaa` decoded as 3 bytes, which is not equal to the expected 16 bytes of a base64-encoded \
                 UUID",
            ),
            (
                "",
                "Input string `` decoded as 0 bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
            ),
        ];

        for (text, expected) in cases {
            assert_eq!(parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
