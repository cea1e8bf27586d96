//! Which arguments go together, in Kafka's order.

use std::ffi::OsString;

use super::ReassignArguments;
use crate::cli::tools::ending::{Ending, require};

/// What the tool is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Generate,
    Execute,
    Verify,
    Cancel,
    List,
}

impl Action {
    /// The option that asks for it.
    fn name(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Execute => "execute",
            Self::Verify => "verify",
            Self::Cancel => "cancel",
            Self::List => "list",
        }
    }

    /// The options that it takes no less.
    fn required(self) -> &'static [&'static str] {
        match self {
            Self::Generate => &["topics-to-move-json-file", "broker-list"],
            Self::Execute | Self::Verify | Self::Cancel => &["reassignment-json-file"],
            Self::List => &[],
        }
    }

    /// The other options that it takes, beside those that name brokers of the cluster.
    fn permitted(self) -> &'static [&'static str] {
        match self {
            Self::Generate => &["disable-rack-aware"],
            Self::Execute => &[
                "additional",
                "throttle",
                "replica-alter-log-dirs-throttle",
                "timeout",
                "disallow-replication-factor-change",
            ],
            Self::Verify => &["preserve-throttles"],
            Self::Cancel => &["bootstrap-controller", "preserve-throttles", "timeout"],
            Self::List => &["bootstrap-controller"],
        }
    }
}

impl ReassignArguments {
    /// The one action. `words` are all arguments as they came: of several that don't go with it the first is told.
    ///
    /// # Errors
    /// The arguments make no sense together.
    pub(super) fn check(&self, words: &[OsString]) -> Result<Action, Ending> {
        let actions = [
            (Action::Generate, self.generate),
            (Action::Execute, self.execute),
            (Action::Verify, self.verify),
            (Action::Cancel, self.cancel),
            (Action::List, self.list),
        ];
        let mut wanted = actions.iter().filter(|(_, is_wanted)| *is_wanted);
        let (Some((action, _)), None) = (wanted.next(), wanted.next()) else {
            let names = actions.map(|(action, _)| format!("--{}", action.name()));
            return Err(Ending::Usage(format!(
                "Command must include exactly one action: {}",
                names.join(", ")
            )));
        };
        let servers = self.entry.bootstrap_server.is_some();
        let reason = match (servers, self.entry.bootstrap_controller.is_some()) {
            (true, true) => {
                Some("Please don't specify both --bootstrap-server and --bootstrap-controller")
            }
            (false, false) => {
                Some("Please specify either --bootstrap-server or --bootstrap-controller")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(Ending::Usage(reason.to_owned()));
        }
        self.entry.entry()?;
        let given = self.given();
        for name in action.required() {
            require(name, given.contains(name))?;
        }
        let taken = [action.required(), action.permitted()].concat();
        let others = given.into_iter().filter(|name| !taken.contains(name));
        match others.min_by_key(|name| place(words, name)) {
            None => Ok(*action),
            Some(other) => Err(Ending::Usage(format!(
                "Option \"[{other}]\" can't be used with action \"[{}]\"",
                action.name()
            ))),
        }
    }

    /// The options that are there, but for actions and those that every action takes.
    fn given(&self) -> Vec<&'static str> {
        let all = [
            (
                "bootstrap-controller",
                self.entry.bootstrap_controller.is_some(),
            ),
            (
                "reassignment-json-file",
                self.reassignment_json_file.is_some(),
            ),
            (
                "topics-to-move-json-file",
                self.topics_to_move_json_file.is_some(),
            ),
            ("broker-list", self.broker_list.is_some()),
            ("disable-rack-aware", self.disable_rack_aware),
            ("throttle", self.throttle.is_some()),
            (
                "replica-alter-log-dirs-throttle",
                self.replica_alter_log_dirs_throttle.is_some(),
            ),
            ("timeout", self.timeout.is_some()),
            ("additional", self.additional),
            ("preserve-throttles", self.preserve_throttles),
            (
                "disallow-replication-factor-change",
                self.disallow_replication_factor_change,
            ),
        ];
        let given = all.into_iter().filter(|(_, is_given)| *is_given);
        given.map(|(name, _)| name).collect()
    }
}

/// At which of the words an option is, which may be cut short.
fn place(words: &[OsString], name: &str) -> usize {
    let is_it = |word: &OsString| {
        let word = word.to_str().and_then(|word| word.strip_prefix("--"));
        let word = word.and_then(|word| word.split('=').next());
        word.is_some_and(|word| !word.is_empty() && name.starts_with(word))
    };
    words.iter().position(is_it).unwrap_or(words.len())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn check(line: &str) -> Result<Action, String> {
        let words = std::iter::once("tool").chain(line.split_whitespace());
        let words: Vec<OsString> = words.map(OsString::from).collect();
        let arguments = ReassignArguments::try_parse_from(&words).expect("known options");
        arguments.check(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn each_action_takes_what_it_needs() {
        let server = "--bootstrap-server a:1";
        let controller = "--bootstrap-controller a:1";
        let file = "--reassignment-json-file f";

        assert_eq!(check(&format!("--list {controller}")), Ok(Action::List));
        assert_eq!(
            check(&format!("--cancel {controller} {file} --timeout 5")),
            Ok(Action::Cancel)
        );
        assert_eq!(
            check(&format!(
                "--execute {server} {file} --throttle 1 --additional"
            )),
            Ok(Action::Execute)
        );
        assert_eq!(
            check(&format!("--verify {server} {file} --preserve-throttles")),
            Ok(Action::Verify)
        );
        assert_eq!(
            check(&format!(
                "--generate {server} --topics-to-move-json-file f --broker-list 1"
            )),
            Ok(Action::Generate)
        );
    }

    #[test]
    fn the_first_option_that_an_action_does_not_take_is_told() {
        let file = "--bootstrap-server a:1 --verify --reassignment-json-file f";
        let told = |name: &str| {
            Err(format!(
                "Option \"[{name}]\" can't be used with action \"[verify]\""
            ))
        };

        assert_eq!(
            check(&format!("{file} --broker-list 1 --throttle 2")),
            told("broker-list")
        );
        assert_eq!(
            check(&format!("--throt=2 {file} --broker-list 1")),
            told("throttle")
        );
    }
}
