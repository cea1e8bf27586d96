//! The table of ratios: a row per figure, the medians of ours and of the rival, and the bound to reach
//! (which is meant for Apache Kafka as the rival).

/// What a ratio of ours to the rival's must be.
#[derive(Clone, Copy)]
pub enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// What a row of three nodes tells: what, its unit, and what its issue asks for.
pub type RowOfThree = (&'static str, &'static str, Bound);

struct Row {
    what: String,
    unit: &'static str,
    ours: f64,
    rival: Option<f64>,
    bound: Bound,
}

/// All figures of a run.
pub struct Table {
    rival: &'static str,
    rows: Vec<Row>,
}

impl Table {
    /// An empty table, with the rival's name.
    pub fn against(rival: &'static str) -> Self {
        Self {
            rival,
            rows: Vec::new(),
        }
    }

    /// Adds the medians of `samples`: the first list is ours, the second, if any, the rival's.
    pub fn add(&mut self, what: &str, unit: &'static str, samples: &[Vec<f64>], bound: Bound) {
        let row = Row {
            what: what.to_owned(),
            unit,
            ours: median(&samples[0]),
            rival: samples.get(1).map(|samples| median(samples)),
            bound,
        };
        println!("{}", row.line());
        self.rows.push(row);
    }

    /// Adds a row of three nodes for each list of `figures`, as [`Self::add`] does.
    pub fn add_of_three(&mut self, rows: &[RowOfThree], figures: &[Vec<Vec<f64>>]) {
        for ((what, unit, bound), samples) in rows.iter().zip(figures) {
            self.add(&format!("RF 3: {what}"), unit, samples, *bound);
        }
    }

    /// Prints all rows as a Markdown table.
    pub fn print(&self) {
        println!(
            "\n| what | ours | {} | ratio | to reach | |\n| --- | --- | --- | --- | --- | --- |",
            self.rival
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
            rival,
            bound,
        } = self;
        let wanted = match bound {
            Bound::AtMost(most) => format!("at most {most:.3}"),
            Bound::AtLeast(least) => format!("at least {least:.2}"),
        };
        let Some(rival) = rival else {
            return format!("| {what} | {ours:.3} {unit} | - | - | {wanted} | |");
        };
        let ratio = ours / rival;
        let reached = match bound {
            Bound::AtMost(most) => ratio <= *most,
            Bound::AtLeast(least) => ratio >= *least,
        };
        let verdict = if reached { "reached" } else { "MISSED" };
        format!(
            "| {what} | {ours:.3} {unit} | {rival:.3} {unit} | {ratio:.3} | {wanted} | {verdict} |"
        )
    }
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
