//! What two lists of facts differ in, shown as `diff` shows it.

/// Lines around a difference that are shown with it.
const CONTEXT: usize = 2;

/// The differences of `ours` from `theirs`, or `None`.
pub fn between(theirs: &[String], ours: &[String]) -> Option<String> {
    if theirs == ours {
        return None;
    }
    let lines = merged(theirs, ours);
    let mut shown = String::from("the facts differ (- Apache Kafka, + ours):\n");
    let mut last_shown = None;
    for (index, line) in lines.iter().enumerate() {
        let from = index.saturating_sub(CONTEXT);
        let to = (index + CONTEXT + 1).min(lines.len());
        if lines[from..to].iter().all(|near| near.starts_with(' ')) {
            continue;
        }
        if last_shown.is_some_and(|last| last + 1 < index) {
            shown.push_str("  ...\n");
        }
        last_shown = Some(index);
        shown.push_str(line);
        shown.push('\n');
    }
    Some(shown)
}

/// Both lists in one, by their longest common subsequence.
fn merged(theirs: &[String], ours: &[String]) -> Vec<String> {
    let common = common_lengths(theirs, ours);
    let (mut t, mut o) = (0, 0);
    let mut lines = Vec::new();
    while t < theirs.len() || o < ours.len() {
        if t < theirs.len() && o < ours.len() && theirs[t] == ours[o] {
            lines.push(format!("  {}", theirs[t]));
            (t, o) = (t + 1, o + 1);
        } else if o == ours.len() || t < theirs.len() && common[t + 1][o] >= common[t][o + 1] {
            lines.push(format!("- {}", theirs[t]));
            t += 1;
        } else {
            lines.push(format!("+ {}", ours[o]));
            o += 1;
        }
    }
    lines
}

/// How long the common subsequence of the rests is, for each pair of rests.
fn common_lengths(theirs: &[String], ours: &[String]) -> Vec<Vec<usize>> {
    let mut lengths = vec![vec![0; ours.len() + 1]; theirs.len() + 1];
    for t in (0..theirs.len()).rev() {
        for o in (0..ours.len()).rev() {
            lengths[t][o] = if theirs[t] == ours[o] {
                lengths[t + 1][o + 1] + 1
            } else {
                lengths[t + 1][o].max(lengths[t][o + 1])
            };
        }
    }
    lengths
}
