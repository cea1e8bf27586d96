//! Moments as people write and read them, in UTC.

const DAY_MS: i64 = 86_400_000;

/// Reads `2026-01-31`, `2026-01-31T12:00`, `2026-01-31 12:00:00.250Z` or a number of milliseconds since 1970.
pub(super) fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let text = text.strip_suffix(['Z', 'z']).unwrap_or(text);
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let mut date = date.split('-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day) && year <= 9_999;
    if date.next().is_some() || !is_date {
        return None;
    }
    let mut time = time.split(':');
    let (hour, minute) = (digits(time.next()?)?, digits(time.next()?)?);
    let (second, fraction) = match time.next() {
        None => (0, "0"),
        Some(second) => match second.split_once('.') {
            None => (digits(second)?, "0"),
            Some((second, fraction)) => (digits(second)?, fraction),
        },
    };
    if time.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    digits(fraction)?;
    let ms: String = fraction.chars().chain("00".chars()).take(3).collect();
    let ms = digits(&ms)?;
    Some(days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000 + ms)
}

/// `2026-01-31 12:00:00.250`, of milliseconds since 1970; the number itself where that is no year of four digits.
pub(super) fn shown(ms: i64) -> String {
    let (day, of_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    // Days are counted from the first of March, so that a leap day ends its year, in eras of 400 years.
    let since = day.saturating_add(719_468);
    let (era, of_era) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = match month {
        10.. => (era * 400 + year + 1, month - 9),
        _ => (era * 400 + year, month + 3),
    };
    if !(0..=9_999).contains(&year) {
        return ms.to_string();
    }
    let (second, ms) = (of_day / 1_000, of_day % 1_000);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{date:02} {hour:02}:{minute:02}:{second:02}.{ms:03}")
}

fn digits(text: &str) -> Option<i64> {
    let is_number = (1..=9).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_digit());
    is_number.then(|| text.parse().ok()).flatten()
}

/// The days from 1970 on.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month = (month + 9) % 12;
    let of_year = (153 * month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_as_the_same_moment() {
        for ms in [
            0,
            1,
            951_782_400_000,
            1_709_164_800_123,
            4_102_444_799_999,
            -1,
        ] {
            assert_eq!(read(&shown(ms)), Some(ms), "{}", shown(ms));
        }
        assert_eq!(shown(1_709_208_000_250), "2024-02-29 12:00:00.250");
        assert_eq!(shown(i64::MAX), i64::MAX.to_string());
        assert_eq!(shown(i64::MIN), i64::MIN.to_string());
    }

    #[test]
    fn times_may_be_short_and_nonsense_is_none() {
        assert_eq!(read("1970-01-02"), Some(DAY_MS));
        assert_eq!(read("1970-01-01T00:01"), Some(60_000));
        assert_eq!(read("1970-01-01T00:00:01.5Z"), Some(1_500));
        assert_eq!(read(" 42 "), Some(42));
        for text in [
            "",
            "soon",
            "1970-13-01",
            "1970-01-01T24:00",
            "1970-01-01T1:2:3:4",
            "1-2",
            "1970-01-01T00:00:xx.1",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
