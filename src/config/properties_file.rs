//! Reads Java's format of properties: `server.properties`, Kafka's own file, and those that its tools take.

use std::iter::Peekable;
use std::str::Chars;

/// Reads all settings in the order of the file. A name may be set twice: the last setting counts, as in
/// Java.
///
/// # Errors
/// A sentence that says what is wrong, and where.
pub fn read(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut settings = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = line.to_owned();
        while is_continued(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start());
        }
        let setting = split(&logical)
            .ok_or_else(|| format!("line {}: a \\u needs four hexadecimal digits", number + 1))?;
        settings.push(setting);
    }
    Ok(settings)
}

/// Whether the line goes on in the next: it ends in an odd number of backslashes.
fn is_continued(line: &str) -> bool {
    line.chars()
        .rev()
        .take_while(|character| *character == '\\')
        .count()
        % 2
        == 1
}

/// Splits a line. The name ends at the first `=`, `:` or white space that no backslash precedes.
fn split(line: &str) -> Option<(String, String)> {
    let mut characters = line.chars().peekable();
    let name = unescape(&mut characters, |character| {
        matches!(character, '=' | ':' | ' ' | '\t')
    })?;
    skip_space(&mut characters);
    if characters
        .next_if(|character| matches!(character, '=' | ':'))
        .is_some()
    {
        skip_space(&mut characters);
    }
    let value = unescape(&mut characters, |_| false)?;
    Some((name, value))
}

fn skip_space(characters: &mut Peekable<Chars<'_>>) {
    while characters
        .next_if(|character| character.is_whitespace())
        .is_some()
    {}
}

fn unescape(characters: &mut Peekable<Chars<'_>>, is_end: impl Fn(char) -> bool) -> Option<String> {
    let mut text = String::new();
    while let Some(character) = characters.next_if(|character| !is_end(*character)) {
        if character != '\\' {
            text.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => text.push('\t'),
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('f') => text.push('\u{c}'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16)
                    .ok()
                    .filter(|_| digits.len() == 4)?;
                text.push(char::from_u32(code)?);
            }
            Some(other) => text.push(other),
            None => {}
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let expected: Vec<_> = expected
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        assert_eq!(read(text).as_deref(), Ok(&expected[..]), "{text:?}");
    }

    #[test]
    fn the_three_separators_of_java_are_read() {
        check(
            "a=1\nb: 2\nc 3\nd\t=\t4",
            &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4")],
        );
        check(
            "listeners=PLAINTEXT://:9092",
            &[("listeners", "PLAINTEXT://:9092")],
        );
        check("empty=\nbare", &[("empty", ""), ("bare", "")]);
    }

    #[test]
    fn comments_and_blank_lines_are_skipped() {
        check(
            "# a=1\n\n  ! b=2\n  c=3 # not a comment",
            &[("c", "3 # not a comment")],
        );
    }

    #[test]
    fn a_backslash_continues_a_line_and_escapes_a_character() {
        check("a=x,\\\n   y\nb=2", &[("a", "x,y"), ("b", "2")]);
        check("a\\=b=c\\\\", &[("a=b", "c\\")]);
        check("a=\\u0041\\tB", &[("a", "A\tB")]);
    }

    #[test]
    fn a_bad_escape_is_refused_with_its_line() {
        let error = read("a=1\nb=\\u12").unwrap_err();

        assert!(error.starts_with("line 2: "), "{error}");
    }
}
