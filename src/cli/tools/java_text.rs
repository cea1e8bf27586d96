//! How Java reads bytes that are not UTF-8: what Kafka's tools print of a key or a value.

use std::char::REPLACEMENT_CHARACTER;

/// The first byte of the code points from U+D000 on, those of surrogates among them.
const LEADS_SURROGATES: u8 = 0xED;

/// The text that Java's `new String(bytes, UTF_8)` makes of `bytes`.
///
/// It differs from `String::from_utf8_lossy` in the bytes of a surrogate (U+D800 to U+DFFF, which UTF-8 forbids):
/// Java replaces the two or three of them with one U+FFFD, Rust each with one of its own.
pub(super) fn java_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some(chunk) = rest.utf8_chunks().next() {
        text.push_str(chunk.valid());
        let mut taken = chunk.valid().len() + chunk.invalid().len();
        if !chunk.invalid().is_empty() {
            text.push(REPLACEMENT_CHARACTER);
        }
        if chunk.invalid() == [LEADS_SURROGATES] && is_continuation(rest.get(taken)) {
            taken += 1;
            taken += usize::from(is_continuation(rest.get(taken)));
        }
        rest = &rest[taken..];
    }
    text
}

fn is_continuation(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| byte & 0xC0 == 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each pair was printed by Java 17.
    #[test]
    fn what_is_no_utf_8_is_replaced_as_often_as_by_java() {
        for (bytes, text) in [
            (&b"\xED\xA0\x80"[..], "\u{FFFD}"),
            (b"\xED\xBF\xBFa", "\u{FFFD}a"),
            (b"\xED\xA0", "\u{FFFD}"),
            (b"\xED\xA0a", "\u{FFFD}a"),
            (b"\xED\xA0\xED\xA0\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xEDa", "\u{FFFD}a"),
            (b"\xED", "\u{FFFD}"),
            (b"\xED\x9F\xBF", "\u{D7FF}"),
            (b"\xED\x80", "\u{FFFD}"),
            (b"\xE0\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xE2\x82", "\u{FFFD}"),
            (b"\xF0\x90\x80a", "\u{FFFD}a"),
            (b"\xF4\x90\x80\x80", "\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}"),
            (b"\xC0\xAF\xFF", "\u{FFFD}\u{FFFD}\u{FFFD}"),
            (
                "whole: \u{20AC} \u{1F980}".as_bytes(),
                "whole: \u{20AC} \u{1F980}",
            ),
        ] {
            assert_eq!(java_text(bytes), text, "{bytes:02x?}");
        }
    }
}
