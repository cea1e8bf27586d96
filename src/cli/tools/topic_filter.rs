//! The regular expressions that stand for topics, in the form that Kafka's tools take.

use regex::Regex;

use super::ending::Ending;

/// The topics that belong to Kafka itself.
const INTERNAL: [&str; 3] = [
    "__consumer_offsets",
    "__transaction_state",
    "__share_group_state",
];

/// Which topics are meant.
#[derive(Debug)]
pub(super) struct TopicFilter {
    pattern: Regex,
    /// The one name that the pattern matches, if it is no more than a name.
    literal: Option<String>,
}

impl TopicFilter {
    /// Reads an expression: commas separate alternatives, quotes around it and blanks don't count.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn parse(text: &str) -> Result<Self, Ending> {
        let trimmed = text.trim().replace(',', "|").replace(' ', "");
        let expression = trimmed.trim_matches(['"', '\'']);
        let invalid = || Ending::Failed(format!("{expression} is an invalid regex."));
        let pattern = Regex::new(&format!("^(?:{expression})$")).map_err(|_| invalid())?;
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let is_literal = !expression.is_empty() && expression.chars().all(is_plain);
        Ok(Self {
            pattern,
            literal: is_literal.then(|| expression.to_owned()),
        })
    }

    /// The one name that is meant: nobody needs to be asked for all topics.
    pub(super) fn literal(&self) -> Option<&str> {
        self.literal.as_deref()
    }

    /// Whether a topic is meant.
    pub(super) fn matches(&self, topic: &str) -> bool {
        self.pattern.is_match(topic)
    }
}

/// Whether a topic belongs to Kafka itself.
pub(super) fn is_internal(topic: &str) -> bool {
    INTERNAL.contains(&topic)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter {
        TopicFilter::parse(text).expect("an expression")
    }

    #[test]
    fn an_expression_matches_whole_names() {
        let one = filter("'a.*, b'");

        assert!(one.matches("abc") && one.matches("b"));
        assert!(!one.matches("bc") && !one.matches("xa"));
        assert_eq!(one.literal(), None);
    }

    #[test]
    fn a_name_without_special_characters_stands_for_itself() {
        assert_eq!(filter("my-topic_1").literal(), Some("my-topic_1"));
        assert_eq!(filter("my.topic").literal(), None);
        assert!(TopicFilter::parse("a(").is_err());
    }
}
