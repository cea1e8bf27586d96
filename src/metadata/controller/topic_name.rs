//! Which names a topic may have.

use super::decision::Refusal;
use crate::protocol::error_code::ErrorCode;
pub use crate::raft::METADATA_TOPIC_NAME;

/// The most bytes of a name: with `-` and the partition's index it must fit a directory's name.
const MAX_LENGTH: usize = 249;

/// Checks a topic's name.
///
/// # Errors
/// INVALID_TOPIC_EXCEPTION, with Kafka's message.
pub fn check(name: &str) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." => "'.' is not allowed".to_owned(),
        ".." => "'..' is not allowed".to_owned(),
        // Kafka counts UTF-16 units; a name that is valid otherwise has one for each byte.
        _ if name.encode_utf16().count() > MAX_LENGTH => {
            format!("the length of '{name}' is longer than the max allowed length {MAX_LENGTH}")
        }
        _ if !name.bytes().all(allowed) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' \
             and '-'"
        ),
        _ => return Ok(()),
    };
    Err(Refusal::new(
        ErrorCode::INVALID_TOPIC_EXCEPTION,
        format!("Topic name is invalid: {reason}"),
    ))
}

/// The form under which names collide: metrics replace `.` by `_`, so that two topics which
/// differ only in them would be one there. `None` if the name has neither.
pub(super) fn collision_form(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_fit_a_directory_and_a_metric_are_allowed() {
        for name in [
            "a",
            "A.b_c-9",
            "...",
            "__consumer_offsets",
            &"x".repeat(249),
        ] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        for name in ["", ".", "..", "a/b", "a b", "\u{e9}", &"x".repeat(250)] {
            let refusal = check(name).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::INVALID_TOPIC_EXCEPTION, "{name}");
        }
    }

    #[test]
    fn the_message_says_what_is_wrong() {
        assert_eq!(
            check("a,b").unwrap_err().message.unwrap(),
            "Topic name is invalid: 'a,b' contains one or more characters other than ASCII \
             alphanumerics, '.', '_' and '-'"
        );
    }
}
