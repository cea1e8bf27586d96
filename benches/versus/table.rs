//! The table of ratios: a row per figure, ours and Apache's medians, and the bound to reach.

/// What a ratio of ours to Apache's must be.
#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

struct Row {
    what: String,
    unit: &'static str,
    ours: f64,
    apache: Option<f64>,
    bound: Bound,
}

/// All figures of a run.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
}

impl Table {
    /// Adds the medians of `samples`: the first list is ours, the second, if any, Apache's.
    pub fn add(&mut self, what: &str, unit: &'static str, samples: &[Vec<f64>], bound: Bound) {
        let row = Row {
            what: what.to_owned(),
            unit,
            ours: median(&samples[0]),
            apache: samples.get(1).map(|samples| median(samples)),
            bound,
        };
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// Prints all rows as a Markdown table.
    pub fn print(&self) {
        println!(
            "\n| what | ours | Apache Kafka 4.3.1 | ratio | to reach | |\n| --- | --- | --- | --- | --- | --- |"
        );
        for row in &self.rows {
            println!("{}", row.line());
        }
    }
}

impl Row {
    fn line(&self) -> String {
        let Self {
            what,
            unit,
            ours,
            apache,
            bound,
        } = self;
        let wanted = match bound {
            Bound::AtMost(most) => format!("at most {most:.3}"),
            Bound::AtLeast(least) => format!("at least {least:.2}"),
        };
        let Some(apache) = apache else {
            return format!("| {what} | {ours:.3} {unit} | - | - | {wanted} | |");
        };
        let ratio = ours / apache;
        let reached = match bound {
            Bound::AtMost(most) => ratio <= *most,
            Bound::AtLeast(least) => ratio >= *least,
        };
        let verdict = if reached { "reached" } else { "MISSED" };
        format!(
            "| {what} | {ours:.3} {unit} | {apache:.3} {unit} | {ratio:.3} | {wanted} | {verdict} |"
        )
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
