//! Which arguments go together, in the order and words of Kafka's tool.

use std::io::{self, Write as _};

use super::GroupsArguments;
use crate::cli::tools::ending::{Ending, exclude};

const NO_ACTION: &str = "WARN: No action will be performed as the --execute option is missing. In version 5.0, this \
                         command will require either --dry-run or --execute to be specified. You should add the \
                         --dry-run option explicitly if you are scripting this command and want to keep the current \
                         default behavior without prompting.";

impl GroupsArguments {
    /// Checks which arguments go together.
    ///
    /// # Errors
    /// Kafka's sentence for what does not.
    pub(super) fn check(&self) -> Result<(), Ending> {
        self.check_available()?;
        if self.validate_regex.is_none() {
            self.connection.require()?;
        }
        self.check_describe()?;
        self.check_delete()?;
        self.check_reset()?;
        let list = ("list", self.list);
        let group = ("group", !self.group.is_empty());
        exclude(group, &[("all-groups", self.all_groups)])?;
        exclude(group, &[list])?;
        let topic = ("topic", !self.topic.is_empty());
        exclude(topic, &[list, ("describe", self.describe)])?;
        self.check_actions()
    }

    fn check_actions(&self) -> Result<(), Ending> {
        let actions = [
            self.list,
            self.describe,
            self.delete,
            self.reset_offsets,
            self.delete_offsets,
            self.validate_regex.is_some(),
        ];
        if actions.iter().filter(|is_there| **is_there).count() == 1 {
            return Ok(());
        }
        usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, \
             --delete-offsets, --validate-regex",
        )
    }

    /// Checks that what belongs to an action is there with it only.
    fn check_available(&self) -> Result<(), Ending> {
        let lone = [
            ("members", self.members && !self.describe),
            ("verbose", self.verbose && !self.describe),
            ("offsets", self.offsets && !self.describe),
            (
                "state",
                self.state.is_some() && !self.describe && !self.list,
            ),
            ("type", self.r#type.is_some() && !self.list),
            (
                "format",
                self.output.is_json() && !self.describe && !self.list,
            ),
        ];
        let lone = lone.into_iter().filter(|(_, is_lone)| *is_lone);
        let names: Vec<&str> = lone.map(|(name, _)| name).collect();
        if names.is_empty() {
            return Ok(());
        }
        usage(&format!(
            "Option(s) [{}] are unavailable given other options on the command line",
            names.join(", ")
        ))
    }

    fn has_groups(&self) -> bool {
        self.all_groups || !self.group.is_empty()
    }

    /// Checks that an action has groups to work on.
    fn require_groups(&self, action: &str) -> Result<(), Ending> {
        if self.has_groups() {
            return Ok(());
        }
        usage(&format!(
            "Option [{action}] takes one of these options: [group], [all-groups]"
        ))
    }

    fn check_describe(&self) -> Result<(), Ending> {
        if !self.describe {
            return Ok(());
        }
        self.require_groups("describe")?;
        let parts = [self.members, self.offsets, self.state.is_some()];
        if parts.iter().filter(|is_there| **is_there).count() > 1 {
            return usage(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            );
        }
        if matches!(self.state, Some(Some(_))) {
            return usage("Option [describe] does not take a value for [state]");
        }
        Ok(())
    }

    fn check_delete(&self) -> Result<(), Ending> {
        if self.delete {
            self.require_groups("delete")?;
            if !self.topic.is_empty() {
                return usage(
                    "The consumer does not support topic-specific offset deletion from a consumer group.",
                );
            }
        }
        if self.delete_offsets && (self.group.is_empty() || self.topic.is_empty()) {
            return usage("Option [delete-offsets] takes the following options: [group], [topic]");
        }
        Ok(())
    }

    fn check_reset(&self) -> Result<(), Ending> {
        if !self.reset_offsets {
            return Ok(());
        }
        if self.dry_run && self.execute {
            return usage("Option [reset-offsets] only accepts one of [execute] and [dry-run]");
        }
        if !self.dry_run && !self.execute {
            writeln!(io::stderr(), "{NO_ACTION}")?;
        }
        self.require_groups("reset-offsets")?;
        let scenarios = self.scenarios();
        for (index, scenario) in scenarios.into_iter().enumerate() {
            let others = scenarios.into_iter().enumerate();
            let others = others.filter(|(other, _)| *other != index);
            let others: Vec<_> = others.map(|(_, other)| other).collect();
            exclude(scenario, &others)?;
        }
        Ok(())
    }

    /// What offsets may be reset to, and whether they are to be.
    fn scenarios(&self) -> [(&'static str, bool); 8] {
        [
            ("to-offset", self.to_offset.is_some()),
            ("to-datetime", self.to_datetime.is_some()),
            ("by-duration", self.by_duration.is_some()),
            ("to-earliest", self.to_earliest),
            ("to-latest", self.to_latest),
            ("to-current", self.to_current),
            ("shift-by", self.shift_by.is_some()),
            ("from-file", self.from_file.is_some()),
        ]
    }
}

fn usage(text: &str) -> Result<(), Ending> {
    Err(Ending::Usage(text.to_owned()))
}
