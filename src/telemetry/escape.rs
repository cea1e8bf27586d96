//! Text of clients in log lines: client ids, group names, topics that nobody checked. Written as it
//! is, it could forge lines, steer a terminal, or fill the disk.

use std::fmt::{self, Write as _};
use std::io;

/// Shows text that a client chose: control characters escaped, cut after 200 characters.
#[derive(Clone, Copy)]
pub struct Untrusted<'a>(pub &'a str);

/// Long enough to tell one client from another.
const MOST_CHARACTERS: usize = 200;

impl fmt::Display for Untrusted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, character) in self.0.chars().enumerate() {
            if index == MOST_CHARACTERS {
                return write!(formatter, "... ({} bytes)", self.0.len());
            }
            if character.is_control() {
                write!(formatter, "{}", character.escape_default())?;
            } else {
                formatter.write_char(character)?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Untrusted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Writes log lines, each given whole, and escapes all control characters but the last line feed. It
/// catches what was logged without [`Untrusted`].
pub(super) struct EscapingWriter<W>(pub(super) W);

impl<W: io::Write> io::Write for EscapingWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let (body, end) = match line {
            [body @ .., b'\n'] => (body, "\n"),
            body => (body, ""),
        };
        let text = String::from_utf8_lossy(body);
        if text.chars().any(char::is_control) {
            let mut escaped = String::with_capacity(text.len() + 16);
            for character in text.chars() {
                if character.is_control() {
                    escaped.extend(character.escape_default());
                } else {
                    escaped.push(character);
                }
            }
            escaped.push_str(end);
            self.0.write_all(escaped.as_bytes())?;
        } else {
            self.0.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn text_of_clients_cannot_forge_a_line_or_steer_a_terminal() {
        let hostile = "a\nERROR forged\u{1b}[2J\u{9b}0m\0";

        assert_eq!(
            Untrusted(hostile).to_string(),
            "a\\nERROR forged\\u{1b}[2J\\u{9b}0m\\u{0}"
        );
    }

    #[test]
    fn text_of_clients_is_cut() {
        let long = "x".repeat(32 * 1024);

        let shown = Untrusted(&long).to_string();

        assert_eq!(shown, format!("{}... (32768 bytes)", "x".repeat(200)));
    }

    #[test]
    fn the_writer_escapes_all_but_the_end_of_the_line() {
        let mut written = Vec::new();

        EscapingWriter(&mut written)
            .write_all("a\nb\tü\u{7f}\n".as_bytes())
            .unwrap();

        assert_eq!(String::from_utf8(written).unwrap(), "a\\nb\\tü\\u{7f}\n");
    }
}
