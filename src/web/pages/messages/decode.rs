//! What is in keys, values and headers, as text that shows what there is and does nothing: letters that move the
//! cursor, change the direction or cannot be seen are shown by their number.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;
use serde_json::Value;

use crate::client::Consumed;
use crate::protocol::coordinator_json::{CoordinatorTopic, Unreadable};
use crate::records::TimestampType;

/// The longest text that is looked into for JSON, in bytes.
const LONGEST_JSON: usize = 1 << 20;

/// How bytes are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// By what they look like.
    #[default]
    Auto,
    Text,
    Json,
    Hex,
    Int32,
    Int64,
    Uuid,
}

impl Form {
    pub(super) const ALL: [Self; 7] = [
        Self::Auto,
        Self::Text,
        Self::Json,
        Self::Hex,
        Self::Int32,
        Self::Int64,
        Self::Uuid,
    ];

    /// The form of this name; by what it looks like for any other.
    pub(super) fn of(name: &str) -> Self {
        let found = Self::ALL.into_iter().find(|form| form.name() == name);
        found.unwrap_or_default()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Text => "text",
            Self::Json => "json",
            Self::Hex => "hex",
            Self::Int32 => "i32",
            Self::Int64 => "i64",
            Self::Uuid => "uuid",
        }
    }
}

/// Bytes as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Shown {
    /// How they were read in the end; `null` if there are none, `record` for those of coordinators.
    pub(super) form: &'static str,
    pub(super) text: String,
    /// How many bytes there are.
    pub(super) bytes: usize,
    /// Whether some of them are left out here.
    pub(super) is_cut: bool,
}

/// A header.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ShownHeader {
    pub(super) name: String,
    pub(super) value: Shown,
}

/// A message.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Message {
    pub(super) partition: i32,
    pub(super) offset: i64,
    /// Milliseconds since 1970.
    pub(super) timestamp: i64,
    pub(super) timestamp_type: &'static str,
    pub(super) key: Shown,
    pub(super) value: Shown,
    pub(super) headers: Vec<ShownHeader>,
    /// How many headers more there are.
    pub(super) headers_left_out: usize,
    /// The bytes of the record before compression.
    pub(super) bytes: usize,
    pub(super) compression: &'static str,
}

/// How messages are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    pub(super) key: Form,
    pub(super) value: Form,
    /// The most bytes of text for each part.
    pub(super) most: usize,
    /// Whether JSON that nobody has asked for is shown in few lines, as it is.
    pub(super) is_compact: bool,
    /// The most headers.
    pub(super) headers: usize,
    /// The topic of a coordinator has records of its own.
    pub(super) coordinator: Option<CoordinatorTopic>,
}

impl Look {
    /// A record as it is shown.
    pub(super) fn message(&self, partition: i32, record: &Consumed) -> Message {
        let (mut key, mut value) = (
            self.part(record.key.as_deref(), self.key),
            self.part(record.value.as_deref(), self.value),
        );
        if let Some((of_key, of_value)) = self.of_coordinator(record) {
            if self.key == Form::Auto {
                key = Shown {
                    bytes: key.bytes,
                    ..of_key
                };
            }
            if self.value == Form::Auto && record.value.is_some() {
                value = Shown {
                    bytes: value.bytes,
                    ..of_value
                };
            }
        }
        let header = |(name, value): &(bytes::Bytes, Option<bytes::Bytes>)| ShownHeader {
            name: text(name, self.most).text,
            value: shown(value.as_deref(), Form::Auto, self.most),
        };
        let all = record.headers.iter();
        Message {
            partition,
            offset: record.offset,
            timestamp: record.timestamp,
            timestamp_type: match record.timestamp_type {
                TimestampType::CreateTime => "create",
                TimestampType::LogAppendTime => "log-append",
            },
            key,
            value,
            headers: all.take(self.headers).map(header).collect(),
            headers_left_out: record.headers.len().saturating_sub(self.headers),
            bytes: record.size,
            compression: record.compression.name(),
        }
    }

    fn part(&self, bytes: Option<&[u8]>, form: Form) -> Shown {
        let it = shown(bytes, form, self.most);
        match bytes {
            Some(bytes) if self.is_compact && form == Form::Auto && it.form == "json" => Shown {
                form: it.form,
                ..text(bytes.trim_ascii(), self.most)
            },
            _ => it,
        }
    }

    fn of_coordinator(&self, record: &Consumed) -> Option<(Shown, Shown)> {
        let topic = self.coordinator?;
        let wrap = |json: &str| {
            let pretty = serde_json::from_str(json).ok().filter(|_| !self.is_compact);
            let pretty = pretty.map(|value| pretty_json(&value, json.len(), self.most));
            let shown = pretty.unwrap_or_else(|| text(json.as_bytes(), self.most));
            Shown {
                form: "record",
                ..shown
            }
        };
        let (key, value) = (record.key.as_deref()?, record.value.as_deref());
        match topic.show(key, value) {
            Ok(shown) => Some((wrap(&shown.key), wrap(&shown.value))),
            // A record of a later release, or one that others have put there.
            Err(Unreadable::Type(_) | Unreadable::Reason(_)) => None,
        }
    }
}

/// Bytes as text of `most` bytes or little more.
pub(super) fn shown(bytes: Option<&[u8]>, form: Form, most: usize) -> Shown {
    let Some(bytes) = bytes else {
        return Shown {
            form: "null",
            text: String::new(),
            bytes: 0,
            is_cut: false,
        };
    };
    let number = |form: Form, text: String| whole(form, text, bytes.len());
    match form {
        Form::Auto => guessed(bytes, most),
        Form::Text => text(bytes, most),
        Form::Json => json(bytes, most).unwrap_or_else(|| text(bytes, most)),
        Form::Hex => hex(bytes, most),
        Form::Int32 => match <[u8; 4]>::try_from(bytes) {
            Ok(it) => number(form, i32::from_be_bytes(it).to_string()),
            Err(_) => hex(bytes, most),
        },
        Form::Int64 => match <[u8; 8]>::try_from(bytes) {
            Ok(it) => number(form, i64::from_be_bytes(it).to_string()),
            Err(_) => hex(bytes, most),
        },
        Form::Uuid => match <[u8; 16]>::try_from(bytes) {
            Ok(it) => number(form, uuid(it)),
            Err(_) => hex(bytes, most),
        },
    }
}

fn whole(form: Form, text: String, bytes: usize) -> Shown {
    Shown {
        form: form.name(),
        text,
        bytes,
        is_cut: false,
    }
}

/// By what they look like: JSON, text, or neither.
fn guessed(bytes: &[u8], most: usize) -> Shown {
    if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && let Some(shown) = json(bytes, most)
    {
        return shown;
    }
    let start = bytes.get(..most).unwrap_or(bytes);
    let is_text = match std::str::from_utf8(start) {
        Ok(text) => is_mostly_seen(text),
        // A letter may be cut in two.
        Err(error) => error.error_len().is_none() && start.len() < bytes.len(),
    };
    if is_text {
        text(bytes, most)
    } else {
        hex(bytes, most)
    }
}

fn is_mostly_seen(text: &str) -> bool {
    let hidden = text
        .chars()
        .filter(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t'));
    hidden.count() * 10 <= text.len()
}

/// JSON with indents; `None` if it is none, or too long to tell.
fn json(bytes: &[u8], most: usize) -> Option<Shown> {
    let read = bytes.len() <= LONGEST_JSON;
    let value: Value = read.then(|| serde_json::from_slice(bytes).ok()).flatten()?;
    Some(pretty_json(&value, bytes.len(), most))
}

fn pretty_json(value: &Value, bytes: usize, most: usize) -> Shown {
    let mut out = UpTo {
        bytes: Vec::new(),
        most,
    };
    // Indents can make a text a hundred times as long: it ends where it is cut.
    let is_cut = serde_json::to_writer_pretty(&mut out, value).is_err();
    let text = String::from_utf8_lossy(&out.bytes);
    Shown {
        form: Form::Json.name(),
        text: visible(&text),
        bytes,
        is_cut,
    }
}

/// Takes so many bytes and no more.
struct UpTo {
    bytes: Vec<u8>,
    most: usize,
}

impl io::Write for UpTo {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.most.saturating_sub(self.bytes.len());
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.bytes.extend_from_slice(taken);
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Text, with what is no UTF-8 as `\xff`.
fn text(bytes: &[u8], most: usize) -> Shown {
    let start = bytes.get(..most).unwrap_or(bytes);
    let is_cut = start.len() < bytes.len();
    let mut text = String::new();
    let mut chunks = start.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(&visible(chunk.valid()));
        let is_cut_letter = is_cut && chunks.peek().is_none();
        for byte in chunk.invalid().iter().filter(|_| !is_cut_letter) {
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    Shown {
        form: Form::Text.name(),
        text,
        bytes: bytes.len(),
        is_cut,
    }
}

/// `00 ff 10`.
fn hex(bytes: &[u8], most: usize) -> Shown {
    let start = bytes.get(..most / 3).unwrap_or(bytes);
    let mut text = String::with_capacity(start.len() * 3);
    for (index, byte) in start.iter().enumerate() {
        let space = if index > 0 { " " } else { "" };
        let _ = write!(text, "{space}{byte:02x}");
    }
    Shown {
        form: Form::Hex.name(),
        text,
        bytes: bytes.len(),
        is_cut: start.len() < bytes.len(),
    }
}

fn uuid(bytes: [u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        let dash = if matches!(index, 4 | 6 | 8 | 10) {
            "-"
        } else {
            ""
        };
        let _ = write!(text, "{dash}{byte:02x}");
    }
    text
}

/// The same text, where letters that cannot be seen, or make others look like what they are not, are shown by
/// their number.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        let is_hidden = match letter {
            '\n' | '\t' => false,
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}' => true,
            _ => letter.is_control(),
        };
        if is_hidden {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
        } else {
            out.push(letter);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn auto(bytes: &[u8]) -> (&'static str, String) {
        let shown = shown(Some(bytes), Form::Auto, 1_000);
        (shown.form, shown.text)
    }

    #[test]
    fn bytes_are_read_by_what_they_look_like() {
        assert_eq!(auto(b"hello"), ("text", "hello".to_owned()));
        assert_eq!(auto(b""), ("text", String::new()));
        assert_eq!(auto(b" [1]"), ("json", "[\n  1\n]".to_owned()));
        assert_eq!(auto(b"{oops"), ("text", "{oops".to_owned()));
        assert_eq!(auto(&[0, 0, 0, 5]), ("hex", "00 00 00 05".to_owned()));
        assert_eq!(auto(b"\xff\xfe"), ("hex", "ff fe".to_owned()));
        assert_eq!(shown(None, Form::Text, 9).form, "null");
    }

    #[test]
    fn a_form_that_does_not_fit_is_hexadecimal() {
        let read = |form, bytes: &[u8]| shown(Some(bytes), form, 1_000).text;

        assert_eq!(read(Form::Int32, &[0xff; 4]), "-1");
        assert_eq!(read(Form::Int32, &[0xff; 3]), "ff ff ff");
        assert_eq!(read(Form::Int64, &[0, 0, 0, 0, 0, 0, 1, 0]), "256");
        assert_eq!(
            read(Form::Uuid, &[0xab; 16]),
            "abababab-abab-abab-abab-abababababab"
        );
        assert_eq!(read(Form::Text, b"a\xffb"), "a\\xffb");
        assert_eq!(read(Form::Json, b"no"), "no");
    }

    #[test]
    fn what_cannot_be_seen_is_shown_by_its_number() {
        let (_, text) =
            auto("tab\tok, and a good deal of text \u{1b}[31mred\u{202e}x\u{200b}".as_bytes());

        assert_eq!(
            text,
            "tab\tok, and a good deal of text \\u{1b}[31mred\\u{202e}x\\u{200b}"
        );
    }

    #[test]
    fn json_that_grows_by_its_indents_is_cut() {
        let deep = format!(
            "{}{}{}",
            "[".repeat(100),
            "1,".repeat(50_000) + "1",
            "]".repeat(100)
        );

        let shown = shown(Some(deep.as_bytes()), Form::Auto, 2_000);

        assert_eq!(shown.form, "json");
        assert!(
            shown.is_cut && shown.text.len() <= 2_000,
            "{}",
            shown.text.len()
        );
    }

    #[test]
    fn a_cut_leaves_no_half_letter() {
        let shown = shown(Some("ää".as_bytes()), Form::Auto, 3);

        assert_eq!(
            (shown.text.as_str(), shown.is_cut, shown.bytes),
            ("ä", true, 4)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_form_are_text_of_a_bounded_length(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            form in prop::sample::select(Form::ALL.to_vec()),
            most in 1_usize..200,
        ) {
            let shown = shown(Some(&bytes), form, most);

            prop_assert!(shown.text.len() <= 8 * most.max(40), "{}", shown.text);
            let is_hidden = |it: char| it == '\u{1b}' || it == '\0';
            prop_assert!(!shown.text.contains(is_hidden));
            prop_assert_eq!(shown.bytes, bytes.len());
        }
    }
}
