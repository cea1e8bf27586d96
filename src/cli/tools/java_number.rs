//! Numbers as Java's `printf` writes them.

/// A number with so many digits behind the point.
pub(super) fn decimal(number: f64, digits: usize) -> String {
    if number.is_infinite() {
        return if number > 0.0 {
            "Infinity"
        } else {
            "-Infinity"
        }
        .to_owned();
    }
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_has_a_name() {
        assert_eq!(decimal(1.25, 1), "1.2");
        assert_eq!(decimal(f64::NAN, 2), "NaN");
        assert_eq!(decimal(1.0 / 0.0, 2), "Infinity");
    }
}
