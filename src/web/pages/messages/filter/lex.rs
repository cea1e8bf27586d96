//! The words of a filter.

use super::{LONGEST, Misread};

/// A word, and the letter at which it begins.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) at: usize,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Word(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Symbol(&'static str),
}

/// Longer ones come first.
const SYMBOLS: [&str; 17] = [
    "==", "!=", "<=", ">=", "&&", "||", "!~", "=", "<", ">", "!", "~", "(", ")", "[", "]", ".",
];

/// The words of a text.
///
/// # Errors
/// It is too long, or something in it is no word.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, Misread> {
    if text.len() > LONGEST {
        return Err(misread(
            0,
            format!(
                "A filter has no more than {LONGEST} bytes; this one has {}.",
                text.len()
            ),
        ));
    }
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = letters.get(at).copied() {
        if letter.is_whitespace() {
            at += 1;
            continue;
        }
        let begin = at;
        let rest = letters.get(at..).unwrap_or_default();
        let next_is_digit = rest.get(1).is_some_and(char::is_ascii_digit);
        let kind = if letter == '"' || letter == '\'' {
            let (text, length) = quoted(rest, at)?;
            at += length;
            Kind::Text(text)
        } else if letter.is_ascii_digit() || (letter == '-' && next_is_digit) {
            let length = 1 + run(rest.get(1..).unwrap_or_default(), is_of_number);
            at += length;
            number(rest.get(..length).unwrap_or_default(), begin)?
        } else if letter.is_alphabetic() || letter == '_' {
            let length = run(rest, is_of_word);
            at += length;
            Kind::Word(rest.iter().take(length).collect())
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| {
                let mut letters = rest.iter();
                symbol.chars().all(|it| letters.next() == Some(&it))
            });
            let Some(symbol) = symbol else {
                return Err(misread(at, format!("{letter:?} means nothing here.")));
            };
            at += symbol.len();
            Kind::Symbol(symbol)
        };
        tokens.push(Token { at: begin, kind });
    }
    Ok(tokens)
}

pub(super) fn misread(at: usize, message: impl Into<String>) -> Misread {
    Misread {
        at,
        message: message.into(),
    }
}

fn run(letters: &[char], belongs: fn(char) -> bool) -> usize {
    letters.iter().take_while(|it| belongs(**it)).count()
}

fn is_of_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_' || letter == '-'
}

fn is_of_number(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '.' || letter == '_'
}

fn number(letters: &[char], at: usize) -> Result<Kind, Misread> {
    let text: String = letters.iter().filter(|it| **it != '_').collect();
    if let Ok(number) = text.parse() {
        return Ok(Kind::Integer(number));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Kind::Float(number)),
        _ => Err(misread(at, format!("{text:?} is no number."))),
    }
}

/// The text in quotes at the front, and how many letters it takes.
fn quoted(letters: &[char], at: usize) -> Result<(String, usize), Misread> {
    let quote = letters.first().copied();
    let mut text = String::new();
    let mut rest = letters.iter().copied().enumerate().skip(1);
    while let Some((index, letter)) = rest.next() {
        if Some(letter) == quote {
            return Ok((text, index + 1));
        }
        if letter != '\\' {
            text.push(letter);
            continue;
        }
        match rest.next().map(|it| it.1) {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some(it) if Some(it) == quote || it == '\\' => text.push(it),
            // A pattern is full of these: they stay as they are.
            Some(it) => text.extend(['\\', it]),
            None => break,
        }
    }
    Err(misread(at, "This text has no closing quote."))
}
