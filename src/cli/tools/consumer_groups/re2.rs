//! Whether a text is a regular expression by the rules of RE2, and what is wrong with it in the words of RE2/J,
//! by which Kafka checks expressions that consumers subscribe with.

use std::collections::BTreeSet;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

const BAD_CLASS: &str = "invalid character class range";
const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_NAME: &str = "invalid named capture";
const BAD_PERL: &str = "invalid or unsupported Perl syntax";
const STACKED: &str = "invalid nested repetition operator";
const BAD_COUNT: &str = "invalid repeat count";
const NO_BRACKET: &str = "missing closing ]";
const NO_PAREN: &str = "missing closing )";
const UNEXPECTED_PAREN: &str = "regexp/syntax: internal error";
const NOTHING_TO_REPEAT: &str = "missing argument to repetition operator";
const TRAILING_BACKSLASH: &str = "trailing backslash at end of expression";
const DUPLICATE_NAME: &str = "duplicate capture group name";

const MOST_REPETITIONS: u32 = 1_000;

/// Checks an expression.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check(expression: &str) -> Result<(), &'static str> {
    let mut parser = Parser {
        rest: expression.chars().peekable(),
        names: BTreeSet::new(),
        depth: 0,
        has_atom: false,
        is_repeated: false,
    };
    while let Some(char) = parser.rest.next() {
        parser.step(char)?;
    }
    if parser.depth > 0 {
        return Err(NO_PAREN);
    }
    Ok(())
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    names: BTreeSet<String>,
    /// How many groups are open.
    depth: usize,
    /// Whether there is something that a repetition can be of.
    has_atom: bool,
    /// Whether what came last was a repetition.
    is_repeated: bool,
}

impl Parser<'_> {
    fn step(&mut self, char: char) -> Result<(), &'static str> {
        let was_repeated = std::mem::replace(&mut self.is_repeated, false);
        match char {
            '(' => return self.open(),
            '|' => {
                self.has_atom = false;
                return Ok(());
            }
            ')' if self.depth == 0 => return Err(UNEXPECTED_PAREN),
            ')' => self.depth -= 1,
            '*' | '+' | '?' => return self.repeat(was_repeated),
            '{' => {
                if let Some(range) = self.counts() {
                    if !is_range(range) {
                        return Err(BAD_COUNT);
                    }
                    return self.repeat(was_repeated);
                }
            }
            '[' => self.class()?,
            '\\' => self.escape()?,
            _ => {}
        }
        self.has_atom = true;
        Ok(())
    }

    fn eat(&mut self, char: char) -> bool {
        self.rest.next_if_eq(&char).is_some()
    }

    fn repeat(&mut self, was_repeated: bool) -> Result<(), &'static str> {
        self.eat('?');
        if was_repeated {
            return Err(STACKED);
        }
        if !self.has_atom {
            return Err(NOTHING_TO_REPEAT);
        }
        self.is_repeated = true;
        Ok(())
    }

    /// Reads `n}`, `n,}` or `n,m}`. Anything else is no repetition, and is left.
    fn counts(&mut self) -> Option<(u32, Option<u32>)> {
        let mut ahead = self.rest.clone();
        let least = number(&mut ahead)?;
        let most = match ahead.next_if_eq(&',') {
            None => Some(least),
            Some(_) if ahead.peek() == Some(&'}') => None,
            Some(_) => Some(number(&mut ahead)?),
        };
        ahead.next_if_eq(&'}')?;
        self.rest = ahead;
        Some((least, most))
    }

    /// What follows a parenthesis.
    fn open(&mut self) -> Result<(), &'static str> {
        let had_atom = std::mem::replace(&mut self.has_atom, false);
        if !self.eat('?') {
            self.depth += 1;
            return Ok(());
        }
        let mut ahead = self.rest.clone();
        ahead.next_if_eq(&'P');
        if ahead.next_if_eq(&'<').is_some() {
            self.rest = ahead;
            self.depth += 1;
            return self.name();
        }
        let opens = self.flags()?;
        if opens {
            self.depth += 1;
        } else {
            self.has_atom = had_atom;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), &'static str> {
        let mut name = String::new();
        loop {
            match self.rest.next() {
                Some('>') => break,
                Some(char) if char.is_ascii_alphanumeric() || char == '_' => name.push(char),
                _ => return Err(BAD_NAME),
            }
        }
        if name.is_empty() {
            return Err(BAD_NAME);
        }
        if !self.names.insert(name) {
            return Err(DUPLICATE_NAME);
        }
        Ok(())
    }

    /// Flags up to `:` or `)`. Says whether a group is open now.
    fn flags(&mut self) -> Result<bool, &'static str> {
        let (mut is_off, mut has_flag) = (false, false);
        loop {
            match self.rest.next() {
                Some('i' | 'm' | 's' | 'U') => has_flag = true,
                Some('-') if !is_off => (is_off, has_flag) = (true, false),
                Some(end @ (':' | ')')) if !is_off || has_flag => return Ok(end == ':'),
                _ => return Err(BAD_PERL),
            }
        }
    }

    /// What follows a backslash.
    fn escape(&mut self) -> Result<(), &'static str> {
        match self.rest.next() {
            None => Err(TRAILING_BACKSLASH),
            Some('A' | 'b' | 'B' | 'z' | 'd' | 'D' | 's' | 'S' | 'w' | 'W') => Ok(()),
            Some('Q') => {
                self.quotation();
                Ok(())
            }
            Some('p' | 'P') => self.property(),
            Some(char) => self.escaped(char).map(|_| ()),
        }
    }

    /// Skips what is quoted by `\Q`.
    fn quotation(&mut self) {
        while let Some(char) = self.rest.next() {
            if char == '\\' && self.eat('E') {
                return;
            }
        }
    }

    /// The name of a set of Unicode's.
    fn property(&mut self) -> Result<(), &'static str> {
        let name = match self.rest.next() {
            Some('{') => {
                let mut name = String::new();
                loop {
                    match self.rest.next() {
                        Some('}') => break name,
                        Some(char) => name.push(char),
                        None => return Err(BAD_CLASS),
                    }
                }
            }
            Some(char) => char.to_string(),
            None => return Err(BAD_CLASS),
        };
        let name = name.strip_prefix('^').unwrap_or(&name);
        let is_name = !name.is_empty()
            && name
                .chars()
                .all(|char| char.is_ascii_alphabetic() || char == '_');
        if is_name && Regex::new(&format!("\\p{{{name}}}")).is_ok() {
            return Ok(());
        }
        Err(BAD_CLASS)
    }

    /// The character that `\` and `char`, with what follows, stand for.
    fn escaped(&mut self, char: char) -> Result<char, &'static str> {
        match char {
            '0'..='7' => {
                let is_octal = |char: &char| ('0'..='7').contains(char);
                if char != '0' && !self.rest.peek().is_some_and(is_octal) {
                    return Err(BAD_ESCAPE);
                }
                let mut code = digit(char, 8);
                for _ in 0..2 {
                    if let Some(next) = self.rest.next_if(is_octal) {
                        code = code * 8 + digit(next, 8);
                    }
                }
                char::from_u32(code).ok_or(BAD_ESCAPE)
            }
            'x' => self.hexadecimal(),
            'a' => Ok('\u{7}'),
            'f' => Ok('\u{c}'),
            'n' => Ok('\n'),
            'r' => Ok('\r'),
            't' => Ok('\t'),
            'v' => Ok('\u{b}'),
            char if char.is_ascii() && !char.is_ascii_alphanumeric() => Ok(char),
            _ => Err(BAD_ESCAPE),
        }
    }

    fn hexadecimal(&mut self) -> Result<char, &'static str> {
        let is_digit = |char: &char| char.is_ascii_hexdigit();
        let mut code = 0;
        if self.eat('{') {
            let mut count = 0;
            while let Some(next) = self.rest.next_if(is_digit) {
                code = (code * 16 + digit(next, 16)).min(0x0011_0000);
                count += 1;
            }
            if count == 0 || !self.eat('}') {
                return Err(BAD_ESCAPE);
            }
        } else {
            for _ in 0..2 {
                let next = self.rest.next_if(is_digit).ok_or(BAD_ESCAPE)?;
                code = code * 16 + digit(next, 16);
            }
        }
        char::from_u32(code).ok_or(BAD_ESCAPE)
    }

    /// What follows an opening bracket.
    fn class(&mut self) -> Result<(), &'static str> {
        self.eat('^');
        let mut is_first = true;
        loop {
            match self.rest.next() {
                None => return Err(NO_BRACKET),
                Some(']') if !is_first => return Ok(()),
                Some('[') if self.eat(':') => self.posix()?,
                Some('\\') if self.is_set() => self.escape()?,
                Some(low) => self.range(low)?,
            }
            is_first = false;
        }
    }

    /// Whether a set of characters follows the backslash, and no single one.
    fn is_set(&mut self) -> bool {
        let set = ['d', 'D', 's', 'S', 'w', 'W', 'p', 'P'];
        self.rest.peek().is_some_and(|char| set.contains(char))
    }

    /// `alpha:]` after `[[:`; without the end it is only two characters.
    fn posix(&mut self) -> Result<(), &'static str> {
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print",
            "punct", "space", "upper", "word", "xdigit",
        ];
        let rest: String = self.rest.clone().collect();
        let Some((name, after)) = rest.split_once(":]") else {
            return Ok(());
        };
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(BAD_CLASS);
        }
        let skipped = rest.chars().count() - after.chars().count();
        self.rest.by_ref().take(skipped).for_each(drop);
        Ok(())
    }

    fn range(&mut self, low: char) -> Result<(), &'static str> {
        let low = self.single(low)?;
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.peek(), None | Some(']')) {
            return Ok(());
        }
        self.rest.next();
        let high = self.rest.next().ok_or(NO_BRACKET)?;
        if self.single(high)? < low {
            return Err(BAD_CLASS);
        }
        Ok(())
    }

    /// A character of a class, which may be escaped.
    fn single(&mut self, char: char) -> Result<char, &'static str> {
        if char != '\\' {
            return Ok(char);
        }
        let escaped = self.rest.next().ok_or(TRAILING_BACKSLASH)?;
        self.escaped(escaped)
    }
}

fn digit(char: char, radix: u32) -> u32 {
    char.to_digit(radix).unwrap_or_default()
}

/// A decimal number without superfluous zeros, at most one more than may be repeated.
fn number(chars: &mut Peekable<Chars<'_>>) -> Option<u32> {
    let first = chars.next_if(char::is_ascii_digit)?;
    let mut number = digit(first, 10);
    while let Some(next) = chars.next_if(char::is_ascii_digit) {
        if number == 0 {
            return None;
        }
        number = (number * 10 + digit(next, 10)).min(MOST_REPETITIONS + 1);
    }
    Some(number)
}

fn is_range((least, most): (u32, Option<u32>)) -> bool {
    least <= MOST_REPETITIONS && most.is_none_or(|most| (least..=MOST_REPETITIONS).contains(&most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_good_or_told_what_is_wrong() {
        for good in [
            "",
            "a|b",
            "(a)*",
            "a{2,3}?",
            "a{",
            "a{x}",
            "a{,2}",
            "[]a]",
            "[^a-z-]",
            r"\d[\w.-]+",
            "(?i:a)b",
            "(?i)a",
            "(?P<n>a)",
            "(?<n>a)",
            r"\Q*(\E",
            r"\x{1F600}\x41\012",
            "[[:alpha:]_]",
            r"\pL\p{Greek}",
            "a(?i)*",
            "]",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for (bad, reason) in [
            ("(a", NO_PAREN),
            ("[a", NO_BRACKET),
            ("*a", NOTHING_TO_REPEAT),
            ("a|*", NOTHING_TO_REPEAT),
            ("(*)", NOTHING_TO_REPEAT),
            ("a**", STACKED),
            ("a{2}+", STACKED),
            ("a{1001}", BAD_COUNT),
            ("a{3,2}", BAD_COUNT),
            ("[z-a]", BAD_CLASS),
            (r"\p{Nobody}", BAD_CLASS),
            (r"\1", BAD_ESCAPE),
            (r"\y", BAD_ESCAPE),
            ("\\", TRAILING_BACKSLASH),
            ("(?=a)", BAD_PERL),
            ("(?<=a)", BAD_NAME),
            ("(?P<a-b>x)", BAD_NAME),
            ("(?P<a>x)(?P<a>y)", DUPLICATE_NAME),
        ] {
            assert_eq!(check(bad), Err(reason), "{bad}");
        }
    }
}
