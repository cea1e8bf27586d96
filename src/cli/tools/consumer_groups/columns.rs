//! Lines of cells that are padded to the width of their column.

/// The width of a column: that of its longest cell, and no less than `least`.
pub(super) fn width<'a>(least: usize, cells: impl Iterator<Item = &'a str>) -> usize {
    let widths = cells.map(|cell| cell.chars().count());
    widths.max().unwrap_or_default().max(least)
}

/// A line of cells with a blank between them. There are as many widths as cells that are padded; a last cell
/// may go without.
pub(super) fn line(widths: &[usize], cells: &[&str]) -> String {
    let padded = cells.iter().enumerate().map(|(index, cell)| {
        let width = widths.get(index).copied().unwrap_or_default();
        format!("{cell:<width$}")
    });
    let padded: Vec<String> = padded.collect();
    padded.join(" ")
}

/// A value, or what stands for none.
pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_padded_but_for_the_last() {
        let widths = [width(2, ["abc", "é"].into_iter()), width(2, [].into_iter())];

        assert_eq!(line(&widths, &["é", "x", "last"]), "é   x  last");
        assert_eq!(or_dash(None::<i32>), "-");
    }
}
