//! What filters take, what they refuse, and that no text makes one cost more than it may.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::client::Consumed;
use crate::records::{Compression, TimestampType};

fn record(key: Option<&[u8]>, value: Option<&[u8]>) -> Consumed {
    let header = |name: &'static str, value: Option<&'static str>| {
        let value = value.map(|it| Bytes::from_static(it.as_bytes()));
        (Bytes::from_static(name.as_bytes()), value)
    };
    Consumed {
        offset: 7,
        timestamp: 1_000,
        timestamp_type: TimestampType::CreateTime,
        key: key.map(Bytes::copy_from_slice),
        value: value.map(Bytes::copy_from_slice),
        headers: vec![
            header("name", Some("first")),
            header("name", Some("last")),
            header("a.b-c", Some("x")),
            header("empty", None),
        ],
        size: 100,
        compression: Compression::None,
    }
}

fn takes(text: &str, record: &Consumed) -> bool {
    let filter = Filter::read(text).unwrap_or_else(|error| panic!("{text}: {error:?}"));
    let filter = filter.unwrap_or_else(|| panic!("{text} is empty"));
    filter.takes(&Candidate::new(3, record))
}

const ORDER: &str =
    r#"{"user":{"id":6,"name":"Ann","tags":["new","vip"],"boss":null},"paid":true,"sum":1.5}"#;

#[test]
fn a_filter_takes_what_it_says() {
    let order = record(Some(b"k-1"), Some(ORDER.as_bytes()));
    for text in [
        r#"key == "k-1""#,
        r#"key = 'k-1' and value contains "Ann""#,
        r#"key startswith "k" && key endswith "1""#,
        r#"key ~ "^k-\d$""#,
        r#"key !~ "^x""#,
        r#"not key == "x""#,
        r#"!(key == "x") or offset == 8"#,
        "value.user.id > 5",
        "value.user.id >= 6 and value.user.id <= 6.0",
        "value.sum == 1.5 and value.paid == true",
        r#"value.user.tags contains "vip""#,
        r#"value.user.tags[1] == "vip""#,
        r#"value["user"]["name"] == "Ann""#,
        "value.user.boss == null and value.user.nobody == null",
        "not value.user.nobody exists",
        r#"header.name == "last""#,
        r#"header.a.b-c == "x" and header["a.b-c"] exists"#,
        "header.empty exists and header.empty == null",
        r#"header.nothing != "x""#,
        "offset == 7 and partition == 3 and size >= 100",
        r#"timestamp < "1970-01-01T00:00:02Z" and timestamp == 1_000"#,
    ] {
        assert!(takes(text, &order), "{text}");
        assert!(!takes(&format!("not ({text})"), &order), "not {text}");
    }
}

#[test]
fn what_is_not_there_or_of_another_kind_is_unequal() {
    let odd = record(None, Some(b"\xff\xfe"));
    for text in [
        "key == null",
        r#"key != """#,
        r#"value != "x""#,
        "value != 5",
        "value.a != 5",
        "not value.a > 5",
    ] {
        assert!(takes(text, &odd), "{text}");
    }
    let number = record(Some(b" 42 "), None);
    assert!(takes("key > 41 and value == null and key < 42.5", &number));
}

#[test]
fn a_mistake_has_its_place() {
    for (text, at, part) in [
        ("key", 3, "Here should be =="),
        ("key == ", 7, "a text in quotes"),
        ("keys == 1", 0, "\"keys\" is none of"),
        ("key == \"a", 7, "no closing quote"),
        ("key == \"a\" value", 11, "the end"),
        ("ä == 1", 0, "none of"),
        ("key == \"ä\" and §", 15, "means nothing"),
        ("(key == 1", 9, "\")\""),
        ("value. == 1", 7, "a name"),
        ("value[-1] == 1", 6, "a number from 0"),
        ("header == 1", 7, "a name"),
        ("offset == \"x\"", 10, "a number"),
        ("timestamp > \"soon\"", 12, "a time"),
        ("key ~ \"(\"", 6, "pattern"),
        ("key == 1e999", 7, "no number"),
    ] {
        let error = Filter::read(text).expect_err(text);
        assert_eq!(error.at, at, "{text}: {error:?}");
        assert!(error.message.contains(part), "{text}: {error:?}");
    }
    assert!(matches!(Filter::read("  "), Ok(None)));
}

#[test]
fn a_filter_has_bounds() {
    let refused = |text: String| Filter::read(&text).expect_err("a bound").message;

    assert!(refused(format!("key == \"{}\"", "x".repeat(LONGEST))).contains("no more than"));
    let deep = |levels: usize| format!("{}key == 1{}", "(".repeat(levels), ")".repeat(levels));
    assert!(Filter::read(&deep(DEEPEST - 1)).is_ok());
    assert!(refused(deep(DEEPEST)).contains("deeper"));
    assert!(refused("!".repeat(900) + "key == 1").contains("deeper"));
    assert!(refused("key ~ \"(((a{100}){100}){100})\"".to_owned()).contains("pattern"));
}

/// Pieces that filters are made of, and some that they are not.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "key",
        "value",
        "header",
        "offset",
        "timestamp",
        "size",
        ".",
        "[",
        "]",
        "(",
        ")",
        "and",
        "or",
        "not",
        "!",
        "==",
        "!=",
        "<",
        "~",
        "!~",
        "contains",
        "exists",
        "null",
        "true",
        "\"a\"",
        "'(.*)*b'",
        "\"",
        "\\",
        "1",
        "-5",
        "0.5",
        "9999999999999999999",
        "x",
        "ä",
        "\u{0}",
        "\u{202e}",
    ]);
    prop_oneof![4 => known.prop_map(str::to_owned), 1 => any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_text_panics_and_every_mistake_lies_in_it(
        pieces in prop::collection::vec(piece(), 0..40),
        is_spaced: bool,
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        value in prop::option::of("\\PC{0,40}"),
    ) {
        let text = pieces.join(if is_spaced { " " } else { "" });
        let record = record(key.as_deref(), value.as_deref().map(str::as_bytes));
        match Filter::read(&text) {
            Ok(Some(filter)) => {
                prop_assert!(text.len() <= LONGEST);
                let _ = filter.takes(&Candidate::new(0, &record));
            }
            Ok(None) => prop_assert!(text.trim().is_empty()),
            Err(misread) => prop_assert!(misread.at <= text.chars().count()),
        }
    }
}
