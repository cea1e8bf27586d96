//! Reads a filter.

use regex::bytes::{Regex, RegexBuilder};

use super::lex::{Kind, Token, misread, tokens};
use super::{
    Comparison, DEEPEST, Field, Literal, Misread, Node, PATTERN_BYTES, Relation, Step, Subject,
};
use crate::web::pages::time;

/// Reads a filter that is not empty.
///
/// # Errors
/// It is none, or exceeds a bound.
pub(super) fn filter(text: &str) -> Result<Node, Misread> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        end: text.chars().count(),
    };
    let node = parser.any_of(0)?;
    match parser.peek() {
        None => Ok(node),
        Some(_) => Err(parser.expected("\"and\", \"or\" or the end")),
    }
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
    /// How many letters the text has.
    end: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens
            .get(self.next)
            .map_or(self.end, |token| token.at)
    }

    fn expected(&self, what: &str) -> Misread {
        misread(self.at(), format!("Here should be {what}."))
    }

    fn take(&mut self) -> Option<Kind> {
        let kind = self.peek().cloned();
        self.next += usize::from(kind.is_some());
        kind
    }

    fn takes_symbol(&mut self, symbol: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Kind::Symbol(it)) if *it == symbol);
        self.next += usize::from(is_next);
        is_next
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.peek(), Some(Kind::Word(it)) if it.eq_ignore_ascii_case(word));
        self.next += usize::from(is_next);
        is_next
    }

    fn any_of(&mut self, depth: usize) -> Result<Node, Misread> {
        let first = self.all_of(depth)?;
        let mut nodes = vec![first];
        while self.takes_word("or") || self.takes_symbol("||") {
            nodes.push(self.all_of(depth)?);
        }
        Ok(Node::joined(nodes, Node::Or))
    }

    fn all_of(&mut self, depth: usize) -> Result<Node, Misread> {
        let first = self.one(depth)?;
        let mut nodes = vec![first];
        while self.takes_word("and") || self.takes_symbol("&&") {
            nodes.push(self.one(depth)?);
        }
        Ok(Node::joined(nodes, Node::And))
    }

    fn one(&mut self, depth: usize) -> Result<Node, Misread> {
        if depth >= DEEPEST {
            return Err(misread(
                self.at(),
                format!("This lies deeper than {DEEPEST} levels."),
            ));
        }
        if self.takes_word("not") || self.takes_symbol("!") {
            return Ok(Node::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.takes_symbol("(") {
            let node = self.any_of(depth + 1)?;
            if !self.takes_symbol(")") {
                return Err(self.expected("\")\""));
            }
            return Ok(node);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Node, Misread> {
        let subject = self.subject()?;
        let test = |relation| Ok(Node::Test(subject.clone(), relation));
        if let Subject::Number(field) = subject {
            let comparison = self.comparison()?;
            return test(Relation::Compare(comparison, self.number_for(field)?));
        }
        if self.takes_word("exists") {
            return test(Relation::Exists);
        }
        if self.takes_word("contains") {
            let at = self.at();
            let text = self.text("\"contains\"")?;
            return test(Relation::Matches(pattern(&regex::escape(&text), at)?));
        }
        if self.takes_word("startswith") {
            return test(Relation::StartsWith(self.text("\"startswith\"")?));
        }
        if self.takes_word("endswith") {
            return test(Relation::EndsWith(self.text("\"endswith\"")?));
        }
        let is_negated = matches!(self.peek(), Some(Kind::Symbol("!~")));
        if is_negated || matches!(self.peek(), Some(Kind::Symbol("~"))) {
            self.next += 1;
            let at = self.at();
            let text = self.text("\"~\"")?;
            let node = Node::Test(subject, Relation::Matches(pattern(&text, at)?));
            return Ok(if is_negated {
                Node::Not(Box::new(node))
            } else {
                node
            });
        }
        let comparison = self.comparison()?;
        let literal = self.literal()?;
        test(Relation::Compare(comparison, literal))
    }

    fn subject(&mut self) -> Result<Subject, Misread> {
        let (at, word) = (self.at(), self.take());
        let what = "key, value, header, offset, partition, timestamp or size";
        let Some(Kind::Word(word)) = word else {
            return Err(misread(at, format!("Here should be {what}.")));
        };
        match word.to_ascii_lowercase().as_str() {
            "key" => Ok(Subject::Key(self.path()?)),
            "value" => Ok(Subject::Value(self.path()?)),
            "offset" => Ok(Subject::Number(Field::Offset)),
            "partition" => Ok(Subject::Number(Field::Partition)),
            "timestamp" => Ok(Subject::Number(Field::Timestamp)),
            "size" => Ok(Subject::Number(Field::Size)),
            "header" | "headers" => {
                let at = self.at();
                let path = self.path()?;
                let missing = || {
                    misread(
                        at,
                        "Here should be a name: header.name or header[\"name\"].",
                    )
                };
                if path.is_empty() {
                    return Err(missing());
                }
                // A name may have dots.
                let parts = path.into_iter().map(|step| match step {
                    Step::Member(name) => Ok(name),
                    Step::Element(_) => Err(missing()),
                });
                let parts: Result<Vec<String>, Misread> = parts.collect();
                Ok(Subject::Header(parts?.join(".")))
            }
            _ => Err(misread(at, format!("{word:?} is none of {what}."))),
        }
    }

    fn path(&mut self) -> Result<Vec<Step>, Misread> {
        let mut path = Vec::new();
        loop {
            if self.takes_symbol(".") {
                let Some(Kind::Word(name)) = self.peek().cloned() else {
                    return Err(self.expected("a name"));
                };
                self.next += 1;
                path.push(Step::Member(name));
            } else if self.takes_symbol("[") {
                path.push(match self.peek().cloned() {
                    Some(Kind::Text(name)) => Step::Member(name),
                    Some(Kind::Integer(index)) if index >= 0 => {
                        Step::Element(usize::try_from(index).unwrap_or(usize::MAX))
                    }
                    _ => return Err(self.expected("a name in quotes, or a number from 0 on")),
                });
                self.next += 1;
                if !self.takes_symbol("]") {
                    return Err(self.expected("\"]\""));
                }
            } else {
                return Ok(path);
            }
        }
    }

    fn comparison(&mut self) -> Result<Comparison, Misread> {
        let all = [
            ("==", Comparison::Equal),
            ("=", Comparison::Equal),
            ("!=", Comparison::Unequal),
            ("<=", Comparison::LessOrEqual),
            ("<", Comparison::Less),
            (">=", Comparison::GreaterOrEqual),
            (">", Comparison::Greater),
        ];
        let found = all
            .into_iter()
            .find(|(symbol, _)| self.takes_symbol(symbol));
        let what = "==, !=, <, <=, >, >=, ~, contains, startswith, endswith or exists";
        found.map(|it| it.1).ok_or_else(|| self.expected(what))
    }

    fn number_for(&mut self, field: Field) -> Result<Literal, Misread> {
        let literal = match (self.peek(), field) {
            (Some(Kind::Integer(number)), _) => Literal::Integer(*number),
            (Some(Kind::Float(number)), _) => Literal::Float(*number),
            (Some(Kind::Text(text)), Field::Timestamp) => match time::read(text) {
                Some(ms) => Literal::Integer(ms),
                None => return Err(self.expected("a time, as \"2026-01-31T12:00:00Z\"")),
            },
            (_, Field::Timestamp) => {
                return Err(self.expected("a time: milliseconds, or \"2026-01-31T12:00:00Z\""));
            }
            _ => return Err(self.expected("a number")),
        };
        self.next += 1;
        Ok(literal)
    }

    fn literal(&mut self) -> Result<Literal, Misread> {
        let literal = match self.peek() {
            Some(Kind::Text(text)) => Literal::Text(text.clone()),
            Some(Kind::Integer(number)) => Literal::Integer(*number),
            Some(Kind::Float(number)) => Literal::Float(*number),
            Some(Kind::Word(word)) => match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => return Err(self.expected("a text in quotes, a number, true, false or null")),
            },
            _ => return Err(self.expected("a text in quotes, a number, true, false or null")),
        };
        self.next += 1;
        Ok(literal)
    }

    fn text(&mut self, after: &str) -> Result<String, Misread> {
        let Some(Kind::Text(text)) = self.peek().cloned() else {
            return Err(self.expected(&format!("a text in quotes, after {after}")));
        };
        self.next += 1;
        Ok(text)
    }
}

impl Node {
    fn joined(mut nodes: Vec<Self>, join: fn(Vec<Self>) -> Self) -> Self {
        match nodes.pop() {
            Some(only) if nodes.is_empty() => only,
            Some(last) => {
                nodes.push(last);
                join(nodes)
            }
            None => join(nodes),
        }
    }
}

fn pattern(text: &str, at: usize) -> Result<Regex, Misread> {
    let built = RegexBuilder::new(text)
        .size_limit(PATTERN_BYTES)
        .dfa_size_limit(PATTERN_BYTES)
        .build();
    built.map_err(|error| {
        let text = error.to_string();
        // Its last line has the reason, those before show the place in the pattern.
        let reason = text.lines().last().unwrap_or_default().trim();
        misread(at, format!("This pattern cannot be read: {reason}."))
    })
}
