//! How far long work has come: a bar on stderr, for somebody who sits there and sees nothing else. Scripts and logs
//! get none, and neither does work that is soon done.

use std::io::{IsTerminal as _, stderr, stdout};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Work that is done before is not told of.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often the bar is drawn anew, in a second.
const DRAWN: u8 = 5;
const STYLE: &str = "{msg} {wide_bar} {bytes} of {total_bytes}, {eta} left";

/// The bar of a piece of work. It is wiped away when this is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    /// When the bar is drawn first; `None` once it was, or if nobody would see it.
    shown_at: Option<Instant>,
}

impl Progress {
    /// Begins with work on so many bytes of something with a name.
    pub(super) fn of_bytes(name: &str, bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template(STYLE);
        bar.set_style(style.expect("the template names what there is"));
        bar.set_message(name.to_owned());
        // On a terminal that shows the output, lines and bar would be in each other's way.
        let is_seen = stderr().is_terminal() && !stdout().is_terminal();
        Self {
            bar,
            shown_at: is_seen.then(|| Instant::now() + PATIENCE),
        }
    }

    /// So many bytes are done with.
    pub(super) fn reach(&mut self, bytes: u64) {
        if self.shown_at.is_some_and(|at| at <= Instant::now()) {
            self.shown_at = None;
            let target = ProgressDrawTarget::stderr_with_hz(DRAWN);
            self.bar.set_draw_target(target);
        }
        self.bar.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
