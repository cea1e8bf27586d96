//! Numbers as Java reads and prints them.

/// A number as Java prints it: `1024.0`, `1.0E7`.
pub(super) fn shown(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        let sign = if number < 0.0 { "-" } else { "" };
        return format!("{sign}Infinity");
    }
    if number == 0.0 || (1e-3..1e7).contains(&number.abs()) {
        return format!("{number:?}");
    }
    let text = format!("{number:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

/// A number as Java reads it.
pub(super) fn parse(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c| c <= ' ');
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() - unsigned.len() > 1 {
        return None;
    }
    let is_word = unsigned == "NaN" || unsigned == "Infinity";
    // Java takes the letter that says the type in its programs.
    let number = text.strip_suffix(['d', 'D', 'f', 'F']).unwrap_or(text);
    let is_decimal = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match (is_word, is_decimal) {
        (true, _) => text.parse().ok(),
        (false, true) => number.parse().ok(),
        (false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_java_shows_them() {
        for (number, text) in [
            (1024.0, "1024.0"),
            (0.0, "0.0"),
            (0.5, "0.5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (1_048_576_000.0, "1.048576E9"),
            (0.0001, "1.0E-4"),
            (-2.5e10, "-2.5E10"),
            (9.223_372_036_854_776e18, "9.223372036854776E18"),
            (f64::INFINITY, "Infinity"),
        ] {
            assert_eq!(shown(number), text);
        }
    }

    #[test]
    fn numbers_are_read_as_java_reads_them() {
        for (text, number) in [
            ("1024", Some(1024.0)),
            (" -1.5e3 ", Some(-1500.0)),
            ("10d", Some(10.0)),
            ("1.", Some(1.0)),
            ("1e", None),
            ("+5", Some(5.0)),
            (".5", Some(0.5)),
            ("Infinity", Some(f64::INFINITY)),
            ("inf", None),
            ("infinity", None),
            ("1,5", None),
            ("--1", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
