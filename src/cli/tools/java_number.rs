//! Numbers as Java's `printf` writes them.

/// A number with so many digits behind the point, at least one. A half goes up, as in Java; Rust's own formatting
/// sends it to the even digit.
pub(super) fn decimal(number: f64, digits: usize) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    let sign = if number.is_sign_negative() { "-" } else { "" };
    if number.is_infinite() {
        return format!("{sign}Infinity");
    }
    // Java rounds the shortest decimal number that stands for this one.
    let text = number.abs().to_string();
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    if fraction.len() <= digits {
        return format!("{sign}{whole}.{fraction:0<digits$}");
    }
    let (kept, rest) = fraction.split_at(digits);
    let mut kept = format!("{whole}{kept}").into_bytes();
    if rest.as_bytes()[0] >= b'5' {
        add_one(&mut kept);
    }
    let mut text = String::from_utf8(kept).expect("digits are text");
    text.insert(text.len() - digits, '.');
    format!("{sign}{text}")
}

/// Adds one to the last of these digits.
fn add_one(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Java 17 prints the same.
    #[test]
    fn a_half_goes_up_as_in_java() {
        for (number, digits, text) in [
            (1.25, 1, "1.3"),
            (1.005, 2, "1.01"),
            (0.125, 2, "0.13"),
            (-1.25, 1, "-1.3"),
            (9.96, 1, "10.0"),
            (2.0, 4, "2.0000"),
            (1234.5678, 2, "1234.57"),
            (1e21, 1, "1000000000000000000000.0"),
        ] {
            assert_eq!(decimal(number, digits), text, "{number}");
        }
    }

    #[test]
    fn what_is_no_number_has_a_name() {
        assert_eq!(decimal(f64::NAN, 2), "NaN");
        assert_eq!(decimal(1.0 / 0.0, 2), "Infinity");
        assert_eq!(decimal(-1.0 / 0.0, 2), "-Infinity");
    }
}
