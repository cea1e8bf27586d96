//! Times in the local time zone, by the patterns of Java's `SimpleDateFormat`: letters stand for parts of the time,
//! what is in quotes for itself, and everything else, too.

use jiff::ZonedDateTime;
use jiff::tz::TimeZone;

use crate::cli::tools::ending::Ending;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];
const MINUTES_OF_HOUR: i32 = 60;
const SECONDS_OF_MINUTE: i32 = 60;

/// A pattern that was read.
#[derive(Debug)]
pub(super) struct DateFormat {
    parts: Vec<Part>,
    zone: TimeZone,
}

#[derive(Debug, PartialEq)]
enum Part {
    Text(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

impl DateFormat {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A quote is not closed, or a letter stands for nothing that is told here.
    pub(super) fn parse(pattern: &str) -> Result<Self, Ending> {
        Ok(Self {
            parts: parts(pattern).map_err(Ending::Failed)?,
            zone: TimeZone::system(),
        })
    }

    /// A time, in ms since 1970, as text.
    pub(super) fn format(&self, ms: i64) -> String {
        let time = jiff::Timestamp::from_millisecond(ms).unwrap_or_default();
        let time = time.to_zoned_datetime(self.zone.clone());
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(letter, width) => field(*letter, *width, &time),
        });
        texts.collect()
    }
}

fn parts(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut letters = pattern.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '\'' {
            if letters.next_if_eq(&'\'').is_some() {
                parts.push(Part::Text("'".to_owned()));
                continue;
            }
            parts.push(Part::Text(quoted(&mut letters)?));
        } else if letter.is_ascii_alphabetic() {
            if !"yMdDHkKhmsSEuaZX".contains(letter) {
                return Err(format!("Illegal pattern character '{letter}'"));
            }
            let mut width = 1;
            while letters.next_if_eq(&letter).is_some() {
                width += 1;
            }
            parts.push(Part::Field(letter, width));
        } else {
            parts.push(Part::Text(letter.to_string()));
        }
    }
    Ok(parts)
}

/// The text up to the next quote; two of them stand for one.
fn quoted(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match letters.next() {
            None => return Err("Unterminated quote".to_owned()),
            Some('\'') if letters.next_if_eq(&'\'').is_none() => return Ok(text),
            Some(letter) => text.push(letter),
        }
    }
}

fn field(letter: char, width: usize, time: &ZonedDateTime) -> String {
    let padded = |number: i64| format!("{number:0width$}");
    let name = |names: &[&str], index: i8| {
        let name = names[usize::try_from(index - 1).unwrap_or_default()];
        if width >= 4 { name } else { &name[..3] }.to_owned()
    };
    let hour = i64::from(time.hour());
    match letter {
        'y' if width == 2 => format!("{:02}", time.year() % 100),
        'y' => padded(time.year().into()),
        'M' if width >= 3 => name(&MONTHS, time.month()),
        'M' => padded(time.month().into()),
        'd' => padded(time.day().into()),
        'D' => padded(time.day_of_year().into()),
        'H' => padded(hour),
        'k' => padded(if hour == 0 { 24 } else { hour }),
        'K' => padded(hour % 12),
        'h' => padded(if hour % 12 == 0 { 12 } else { hour % 12 }),
        'm' => padded(time.minute().into()),
        's' => padded(time.second().into()),
        'S' => padded(time.millisecond().into()),
        'E' => name(&DAYS, time.weekday().to_monday_one_offset()),
        'u' => padded(time.weekday().to_monday_one_offset().into()),
        'a' if hour < 12 => "AM".to_owned(),
        'a' => "PM".to_owned(),
        letter => offset(letter, width, time.offset().seconds()),
    }
}

/// How far the zone is from UTC: `+0100`, or as ISO 8601 has it.
fn offset(letter: char, width: usize, seconds: i32) -> String {
    if letter == 'X' && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let minutes = seconds.abs() / SECONDS_OF_MINUTE;
    let (hours, minutes) = (minutes / MINUTES_OF_HOUR, minutes % MINUTES_OF_HOUR);
    match (letter, width) {
        ('X', 1) => format!("{sign}{hours:02}"),
        ('X', 3..) => format!("{sign}{hours:02}:{minutes:02}"),
        _ => format!("{sign}{hours:02}{minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2024-02-29 13:05:09.007 UTC, an hour later in the zone.
    const TIME: i64 = 1_709_211_909_007;

    fn format(pattern: &str) -> String {
        let format = DateFormat {
            parts: parts(pattern).expect("a pattern"),
            zone: TimeZone::fixed(jiff::tz::offset(1)),
        };
        format.format(TIME)
    }

    #[test]
    fn letters_stand_for_parts_of_the_time() {
        assert_eq!(format("yyyy-MM-dd HH:mm:ss:SSS"), "2024-02-29 14:05:09:007");
        assert_eq!(format("yy M d H m s S"), "24 2 29 14 5 9 7");
        assert_eq!(format("EEE, d MMM yyyy h:mm a"), "Thu, 29 Feb 2024 2:05 PM");
        assert_eq!(format("EEEE MMMM DDD u"), "Thursday February 060 4");
        assert_eq!(format("Z X XX XXX"), "+0100 +01 +0100 +01:00");
    }

    #[test]
    fn what_is_in_quotes_stands_for_itself() {
        assert_eq!(format("yyyy'T'HH"), "2024T14");
        assert_eq!(format("h 'o''clock' ''"), "2 o'clock '");
        assert!(parts("'open").is_err());
        assert_eq!(
            parts("yyyy q"),
            Err("Illegal pattern character 'q'".to_owned())
        );
    }
}
