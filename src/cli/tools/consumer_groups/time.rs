//! Times and durations as `--to-datetime` and `--by-duration` take them, which are those of Java.

use regex::{Captures, Regex};

const MS_OF_SECOND: i64 = 1_000;
const SECONDS_OF_MINUTE: i64 = 60;
const SECONDS_OF_HOUR: i64 = 3_600;
const SECONDS_OF_DAY: i64 = 86_400;
const NANOS_OF_SECOND: i128 = 1_000_000_000;

/// Date and time; what follows is the zone.
const DATETIME: &str = r"^(\d+)-(\d+)-(\d+)T(\d+):(\d+):(\d+)\.(\d+)(?:Z|([+-])(\d\d)(?::(\d\d))?)";
const DURATION: &str = concat!(
    r"(?i)^([-+]?)P(?:([-+]?\d+)D)?",
    r"(T(?:([-+]?\d+)H)?(?:([-+]?\d+)M)?(?:([-+]?\d+)(?:[.,](\d{0,9}))?S)?)?$"
);

/// The moment of `YYYY-MM-DDThh:mm:ss.sss`, with a zone or in UTC, in ms since 1970.
///
/// # Errors
/// Kafka's sentence for a text that is none.
pub(super) fn timestamp(text: &str) -> Result<i64, String> {
    let time = text.split_once('T').map(|(_, time)| time);
    let Some(time) = time.filter(|time| !time.is_empty()) else {
        return Err(
            "java.text.ParseException: Error parsing timestamp. It does not contain a 'T' according to ISO8601 format"
                .to_owned(),
        );
    };
    let has_zone = time.contains(['+', '-', 'Z']);
    let text = format!("{text}{}", if has_zone { "" } else { "Z" });
    let pattern = Regex::new(DATETIME).expect("it is a regular expression");
    let captures = pattern.captures(&text);
    captures
        .and_then(|captures| moment(&captures))
        .ok_or_else(|| format!("java.text.ParseException: Unparseable date: \"{text}\""))
}

fn moment(captures: &Captures<'_>) -> Option<i64> {
    let field = |index: usize, least: i64, most: i64| -> Option<i64> {
        let text = captures.get(index).map_or("0", |found| found.as_str());
        let number: i64 = text.parse().ok()?;
        (least..=most).contains(&number).then_some(number)
    };
    let (year, month) = (field(1, 1, 999_999)?, field(2, 1, 12)?);
    let day = field(3, 1, days_of_month(year, month))?;
    let hours = field(4, 0, 23)?;
    let minutes = field(5, 0, 59)?;
    let seconds = field(6, 0, 59)?;
    let ms = field(7, 0, 999)?;
    let offset = field(9, 0, 23)? * SECONDS_OF_HOUR + field(10, 0, 59)? * SECONDS_OF_MINUTE;
    let is_west = captures.get(8).is_some_and(|sign| sign.as_str() == "-");
    let offset = if is_west { -offset } else { offset };
    let days = days_before(year) + day_of_year(year, month, day);
    let of_day = hours * SECONDS_OF_HOUR + minutes * SECONDS_OF_MINUTE + seconds;
    Some((days * SECONDS_OF_DAY + of_day - offset) * MS_OF_SECOND + ms)
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn day_of_year(year: i64, month: i64, day: i64) -> i64 {
    let months = (1..month).map(|month| days_of_month(year, month));
    months.sum::<i64>() + day - 1
}

/// The days from 1970 to the beginning of a year.
fn days_before(year: i64) -> i64 {
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    (year - 1970) * 365 + leaps(year - 1) - leaps(1969)
}

/// The nanoseconds of `PnDTnHnMnS`.
///
/// # Errors
/// Java's sentence for a text that is none.
pub(super) fn duration(text: &str) -> Result<i128, String> {
    let pattern = Regex::new(DURATION).expect("it is a regular expression");
    let nanos = pattern.captures(text).and_then(|captures| nanos(&captures));
    nanos.ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn nanos(captures: &Captures<'_>) -> Option<i128> {
    let text = |index: usize| captures.get(index).map(|found| found.as_str());
    let number = |index: usize| -> Option<i128> {
        let number = text(index).map(str::parse::<i64>);
        number
            .transpose()
            .ok()
            .map(|it| i128::from(it.unwrap_or_default()))
    };
    let is_time_empty = text(3).is_some_and(|time| time.len() == 1);
    let has_some = [2, 4, 5, 6].iter().any(|index| text(*index).is_some());
    if is_time_empty || !has_some {
        return None;
    }
    let seconds = number(2)? * i128::from(SECONDS_OF_DAY)
        + number(4)? * i128::from(SECONDS_OF_HOUR)
        + number(5)? * i128::from(SECONDS_OF_MINUTE)
        + number(6)?;
    let digits = text(7).unwrap_or_default();
    let fraction: i128 = format!("{digits:0<9}").parse().ok()?;
    let is_negative = text(6).is_some_and(|seconds| seconds.starts_with('-'));
    let fraction = if is_negative { -fraction } else { fraction };
    let nanos = seconds * NANOS_OF_SECOND + fraction;
    Some(if text(1) == Some("-") { -nanos } else { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_zone_or_is_in_utc() {
        assert_eq!(timestamp("1970-01-01T00:00:00.000"), Ok(0));
        assert_eq!(timestamp("2000-03-01T00:00:00.001Z"), Ok(951_868_800_001));
        assert_eq!(
            timestamp("2024-02-29T12:30:05.5+02:00"),
            Ok(1_709_202_605_005)
        );
        assert_eq!(
            timestamp("2024-02-29T12:30:05.005-02"),
            Ok(1_709_217_005_005)
        );
        assert_eq!(timestamp("1969-12-31T23:59:59.999Z"), Ok(-1));
        assert_eq!(
            timestamp("1900-03-01T00:00:00.000Z"),
            Ok(-2_203_891_200_000)
        );
    }

    #[test]
    fn a_text_that_is_no_time_is_refused() {
        for text in [
            "2023-02-29T00:00:00.000",
            "2023-13-01T00:00:00.000",
            "2023-01-01T24:00:00.000",
            "2023-01-01T00:00:00",
            "2023-01-01T00:00:00.1000",
            "2023-01-01",
            "2023-01-01T",
        ] {
            assert!(timestamp(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_one_of_java() {
        const SECOND: i128 = NANOS_OF_SECOND;
        assert_eq!(duration("P1D"), Ok(86_400 * SECOND));
        assert_eq!(duration("pt1h-2m3s"), Ok((3_600 - 120 + 3) * SECOND));
        assert_eq!(duration("-PT0.5S"), Ok(-SECOND / 2));
        assert_eq!(duration("PT-1.5S"), Ok(-SECOND * 3 / 2));
        assert_eq!(duration("P-1DT1H"), Ok((3_600 - 86_400) * SECOND));
        for text in ["P", "PT", "P1DT", "1D", "P1H", "PT1D", ""] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}
