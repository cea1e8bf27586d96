//! `broker completions`: the script by which a shell completes the arguments of `broker`, and of Kafka's tools under
//! their own names. It is made of what parses the arguments.

use std::io::{self, Write as _};

use clap::{Args, Command, ValueEnum};
use clap_complete::{Shell, generate};

use super::tools;

const PROGRAM: &str = "broker";

/// For whom the script is.
#[derive(Debug, Args)]
pub(super) struct CompletionsArguments {
    /// The shell that is to complete arguments
    #[arg(value_enum)]
    shell: KnownShell,
}

/// The shells whose scripts were tried.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum KnownShell {
    Bash,
    Fish,
    Zsh,
}

/// Prints the script. `broker` has the arguments of the program itself.
///
/// # Errors
/// Nobody reads the output any more.
pub(super) fn print(arguments: &CompletionsArguments, broker: Command) -> io::Result<()> {
    let shell = match arguments.shell {
        KnownShell::Bash => Shell::Bash,
        KnownShell::Fish => Shell::Fish,
        KnownShell::Zsh => Shell::Zsh,
    };
    let mut script = Vec::new();
    generate(shell, &mut with_tools(broker), PROGRAM, &mut script);
    for mut command in tools::programs() {
        let name = command.get_name().to_owned();
        generate(shell, &mut command, name, &mut script);
    }
    io::stdout().lock().write_all(&script)
}

/// The program with its tools as words after it. The tools do not take what is global to other words.
fn with_tools(broker: Command) -> Command {
    let global: Vec<_> = broker
        .get_arguments()
        .filter(|argument| argument.is_global_set())
        .cloned()
        .collect();
    let mut broker = broker.disable_help_subcommand(true);
    for argument in global {
        let argument = argument.global(false);
        broker = broker
            .mut_arg(argument.get_id(), |own| own.global(false))
            .mut_subcommands(|command| command.arg(argument.clone()));
    }
    broker.subcommands(tools::subcommands())
}
