//! What is wrong with the files, told when all have been dumped.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// What was noted of some files, by file.
#[derive(Debug)]
pub(super) struct Noted<T>(Vec<(PathBuf, T)>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Default> Noted<T> {
    /// What was noted of this file.
    pub(super) fn of(&mut self, path: &Path) -> &mut T {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let known = self.0.iter().position(|(known, _)| *known == path);
        let at = known.unwrap_or_else(|| {
            self.0.push((path, T::default()));
            self.0.len() - 1
        });
        &mut self.0[at].1
    }
}

/// What is wrong with the files.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Offsets in an index, with what is at their place in the log.
    pub(super) index_mismatches: Noted<BTreeMap<i64, i64>>,
    /// Timestamps in an index, with those in the log.
    pub(super) time_mismatches: Noted<Vec<(i64, i64)>>,
    /// Timestamps in an index that are not above the one before, with that.
    pub(super) times_out_of_order: Noted<Vec<(i64, i64)>>,
    /// Offsets in an index that no batch ends with, with the end of the batch that holds it, or -1.
    pub(super) offsets_not_found: Noted<Vec<(i64, i64)>>,
    /// Offsets that another follows than the next.
    pub(super) gaps: Noted<BTreeMap<i64, i64>>,
}

impl Problems {
    /// Tells all on standard error.
    ///
    /// # Errors
    /// Nobody reads it.
    pub(super) fn tell(&self) -> io::Result<()> {
        let mut errors = io::stderr().lock();
        for (path, pairs) in &self.index_mismatches.0 {
            writeln!(errors, "Mismatches in :{}", path.display())?;
            for (index, log) in pairs.iter().rev() {
                writeln!(errors, "  Index offset: {index}, log offset: {log}")?;
            }
        }
        for (path, pairs) in &self.time_mismatches.0 {
            writeln!(errors, "Found timestamp mismatch in :{}", path.display())?;
            for (index, log) in pairs {
                writeln!(errors, "  Index timestamp: {index}, log timestamp: {log}")?;
            }
        }
        for (path, pairs) in &self.times_out_of_order.0 {
            writeln!(
                errors,
                "Found out of order timestamp in :{}",
                path.display()
            )?;
            for (index, before) in pairs {
                writeln!(
                    errors,
                    "  Index timestamp: {index}, Previously indexed timestamp: {before}"
                )?;
            }
        }
        for (path, pairs) in &self.offsets_not_found.0 {
            let path = path.display();
            writeln!(
                errors,
                "The following indexed offsets are not found in :{path}"
            )?;
            for (index, log) in pairs {
                writeln!(errors, "Indexed offset: {index}, found log offset: {log}")?;
            }
        }
        for (path, pairs) in &self.gaps.0 {
            writeln!(errors, "Non-consecutive offsets in {}", path.display())?;
            for (offset, next) in pairs {
                writeln!(errors, "  {offset} is followed by {next}")?;
            }
        }
        Ok(())
    }
}
