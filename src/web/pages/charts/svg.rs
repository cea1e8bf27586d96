//! Charts as SVG: lines over the last hour, with axes, and what was measured where one points. No script draws them,
//! and no style stands in them: the stylesheet has their colours, for light and dark.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::ring::Unit;
use crate::web::pages::frame;
use crate::web::pages::time;

/// The drawing, and the part of it between the axes.
const WIDTH: f64 = 600.0;
const HEIGHT: f64 = 190.0;
const LEFT: f64 = 82.0;
const RIGHT: f64 = 592.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 162.0;
/// The time that is shown.
const HOUR_MS: i64 = 3_600_000;
/// Parts of the hour that one can point at, and those that a line is drawn through.
const COLUMNS: usize = 60;
const POINTS: usize = 180;
/// Lines of the grid.
const STEPS: usize = 4;

/// A line.
pub(super) struct Line<'a> {
    pub(super) name: &'a str,
    /// At the moments of the chart.
    pub(super) values: Vec<f32>,
}

/// A chart of the hour that ends at `now_ms`.
pub(super) fn chart(
    title: &str,
    unit: Unit,
    (times, now_ms): (&[i64], i64),
    lines: &[Line<'_>],
) -> Markup {
    let largest = lines.iter().flat_map(|line| &line.values).copied();
    let largest = largest.filter(|it| it.is_finite()).fold(0.0, f32::max);
    let top = round_up(f64::from(largest), unit);
    let is_empty = lines
        .iter()
        .all(|line| line.values.iter().all(|it| !it.is_finite()));
    html! {
        figure.chart {
            figcaption { (title) }
            svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label={ (title) ", the last hour" } {
                (grid(top, unit))
                @for (index, line) in lines.iter().enumerate() {
                    path class={ "line c" (index) } d=(drawn(line, times, (now_ms, top))) {}
                }
                (columns(lines, unit, (times, now_ms)))
                @if is_empty { text.empty x=((LEFT + RIGHT) / 2.0) y=((TOP + BOTTOM) / 2.0) { "Nothing is known yet" } }
            }
            ul.legend {
                @for (index, line) in lines.iter().enumerate() {
                    li { span class={ "key c" (index) } {} (line.name) " " b { (last(line, unit)) } }
                }
            }
        }
    }
}

fn grid(top: f64, unit: Unit) -> Markup {
    html! {
        @for step in 0..=STEPS {
            @let part = step as f64 / STEPS as f64;
            @let y = rounded(BOTTOM - part * (BOTTOM - TOP));
            line.grid x1=(LEFT) x2=(RIGHT) y1=(y) y2=(y) {}
            text.y x=(LEFT - 6.0) y=(y + 4.0) { (shown(top * part, unit)) }
        }
        @for (minutes, word) in [(60, "1 h ago"), (45, "45 min"), (30, "30 min"), (15, "15 min"), (0, "now")] {
            @let x = rounded(RIGHT - f64::from(minutes) / 60.0 * (RIGHT - LEFT));
            line.tick x1=(x) x2=(x) y1=(BOTTOM) y2=(BOTTOM + 4.0) {}
            text.x.first[minutes == 60].last[minutes == 0] x=(x) y=(BOTTOM + 18.0) { (word) }
        }
    }
}

/// The part of the hour that a moment lies in, of so many; `None` outside of it.
fn part(at_ms: i64, now_ms: i64, parts: usize) -> Option<usize> {
    let since = at_ms.checked_sub(now_ms.checked_sub(HOUR_MS)?)?;
    let since = usize::try_from(since).ok()?;
    let part = since * parts / usize::try_from(HOUR_MS).ok()?;
    // What is measured now belongs to the last one.
    (since <= HOUR_MS as usize).then_some(part.min(parts - 1))
}

/// The largest value in each part of the hour.
fn largest(values: &[f32], (times, now_ms): (&[i64], i64), parts: usize) -> Vec<Option<f32>> {
    let mut largest = vec![None; parts];
    for (at, value) in times.iter().zip(values).filter(|(_, it)| it.is_finite()) {
        let place = part(*at, now_ms, parts).and_then(|part| largest.get_mut(part));
        if let Some(place) = place {
            *place = Some(place.map_or(*value, |it: f32| it.max(*value)));
        }
    }
    largest
}

/// The line as a path, with a gap where nothing is known.
fn drawn(line: &Line<'_>, times: &[i64], (now_ms, top): (i64, f64)) -> String {
    let mut path = String::new();
    let mut is_begun = false;
    for (index, value) in largest(&line.values, (times, now_ms), POINTS)
        .into_iter()
        .enumerate()
    {
        let Some(value) = value else {
            is_begun = false;
            continue;
        };
        let x = LEFT + (index as f64 + 0.5) / POINTS as f64 * (RIGHT - LEFT);
        let y = BOTTOM - (f64::from(value) / top).clamp(0.0, 1.0) * (BOTTOM - TOP);
        let word = if is_begun { 'L' } else { 'M' };
        // A point alone is a dot, as the ends of lines are round.
        let dot = if is_begun { "" } else { "h0" };
        let _ = write!(path, "{word}{x:.1} {y:.1}{dot}");
        is_begun = true;
    }
    path
}

/// What one points at.
fn columns(lines: &[Line<'_>], unit: Unit, of: (&[i64], i64)) -> Markup {
    let values: Vec<_> = lines
        .iter()
        .map(|line| largest(&line.values, of, COLUMNS))
        .collect();
    let width = (RIGHT - LEFT) / COLUMNS as f64;
    html! {
        @for column in 0..COLUMNS {
            @let found: Vec<_> = lines.iter().zip(&values).filter_map(|(line, values)| Some((line.name, values[column]?))).collect();
            @if !found.is_empty() {
                @let at = of.1 - HOUR_MS + HOUR_MS / COLUMNS as i64 * column as i64;
                rect.point x=(rounded(LEFT + width * column as f64)) y=(TOP) width=(rounded(width)) height=(BOTTOM - TOP) {
                    title {
                        (time::shown(at).get(11..16).unwrap_or_default()) " UTC"
                        @for (name, value) in found { "\n" (name) ": " (shown(f64::from(value), unit)) }
                    }
                }
            }
        }
    }
}

fn last(line: &Line<'_>, unit: Unit) -> String {
    let last = line.values.iter().rev().copied().find(|it| it.is_finite());
    last.map_or("–".to_owned(), |it| shown(f64::from(it), unit))
}

fn rounded(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// The next round number, so that the axis has few digits and stays as it is while values change a little.
fn round_up(largest: f64, unit: Unit) -> f64 {
    if largest <= 0.0 {
        return match unit {
            Unit::Bytes | Unit::BytesPerSecond => 1_024.0,
            Unit::PerSecond | Unit::Milliseconds | Unit::Count => 4.0,
        };
    }
    // Bytes are counted by 1024s.
    let base = match unit {
        Unit::Bytes | Unit::BytesPerSecond => 1_024_f64.powf(largest.log(1_024.0).floor().max(0.0)),
        Unit::PerSecond | Unit::Milliseconds | Unit::Count => 1.0,
    };
    let scaled = largest / base;
    let power = 10_f64.powf(scaled.log10().floor());
    let steps = [1.0, 2.0, 4.0, 6.0, 8.0, 10.0];
    let step = steps
        .into_iter()
        .find(|step| scaled <= step * power * 1.000_001);
    let top = step.unwrap_or(10.0) * power * base;
    if unit == Unit::Count {
        top.max(4.0)
    } else {
        top
    }
}

fn shown(value: f64, unit: Unit) -> String {
    let short = |value: f64| match value {
        _ if value >= 100.0 || value == value.trunc() => frame::signed(value.round() as i64),
        _ if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    };
    match unit {
        Unit::Bytes => frame::bytes(value as u64),
        Unit::BytesPerSecond => format!("{}/s", frame::bytes(value as u64)),
        Unit::PerSecond => format!("{}/s", short(value)),
        Unit::Milliseconds => format!("{} ms", short(value)),
        Unit::Count => short(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000_000;

    fn drawn_of(values: &[f32], name: &str) -> String {
        let times: Vec<i64> = (0..values.len())
            .map(|it| NOW - 5_000 * (values.len() - it) as i64)
            .collect();
        let line = Line {
            name,
            values: values.to_vec(),
        };
        chart("Title", Unit::Bytes, (&times, NOW), &[line]).into_string()
    }

    #[test]
    fn an_axis_ends_with_a_round_number_above_all_values() {
        for (largest, unit, top) in [
            (0.0, Unit::Count, 4.0),
            (1.0, Unit::Count, 4.0),
            (7.2, Unit::Milliseconds, 8.0),
            (0.03, Unit::Milliseconds, 0.04),
            (1_000.0, Unit::PerSecond, 1_000.0),
            (1_100.0, Unit::PerSecond, 2_000.0),
            (3.5 * 1_048_576.0, Unit::Bytes, 4.0 * 1_048_576.0),
        ] {
            let found = round_up(largest, unit);
            assert!((found - top).abs() < top * 1e-6, "{largest}: {found}");
        }
    }

    #[test]
    fn a_line_has_a_gap_where_nothing_is_known_and_says_what_one_points_at() {
        let mut values = vec![2_048.0; 100];
        values[40..60].fill(f32::NAN);

        let svg = drawn_of(&values, "used");

        let path = svg.split(" d=\"").nth(1).expect("a path");
        let path = path.split('"').next().expect("it ends");
        assert_eq!(path.matches('M').count(), 2, "{path}");
        assert!(svg.contains("used: 2.0 KiB</title>"), "{svg}");
        assert!(drawn_of(&[f32::NAN; 9], "used").contains("Nothing is known yet"));
    }

    #[test]
    fn a_name_is_text() {
        let svg = drawn_of(&[1.0; 9], "</title><script>alert(1)</script>");

        assert!(!svg.contains("<script>"), "{svg}");
    }

    proptest! {
        #[test]
        fn any_values_make_a_chart_within_its_frame(values in prop::collection::vec(any::<f32>(), 0..800)) {
            let svg = drawn_of(&values, "x");

            let path = svg.split(" d=\"").nth(1).and_then(|it| it.split('"').next()).expect("a path");
            prop_assert!(!path.contains("NaN") && !path.contains("inf"), "{}", path);
            prop_assert!(svg.len() < 40_000);
        }
    }
}
