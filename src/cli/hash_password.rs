//! `broker hash-password`: reads a password, unseen where somebody types it, and prints its hash for the config.

use std::io::{self, BufRead, IsTerminal as _, Write as _};

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use crate::config::PasswordHash;

/// Asks on a terminal, twice; else the first line is the password.
///
/// # Errors
/// There is none, the two differ, or nobody reads the output any more.
pub(super) fn run() -> io::Result<()> {
    let password = if io::stdin().is_terminal() {
        let unseen = Unseen::begin()?;
        let password = ask("Password: ")?;
        if ask("Once more: ")? != password {
            return Err(io::Error::other("the two passwords differ"));
        }
        drop(unseen);
        password
    } else {
        read_line()?
    };
    if password.is_empty() {
        return Err(io::Error::other("there is no password"));
    }
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).expect("the operating system has random bytes");
    let iterations = PasswordHash::ADVISED_ITERATIONS;
    let hash = PasswordHash::new(password.as_bytes(), salt, iterations);
    writeln!(io::stdout(), "{hash}")
}

/// What Ctrl-C types.
const INTERRUPT: u8 = 3;

/// A terminal that does not show what is typed, until this is dropped. Ctrl-C ends the line there, as a signal
/// would end this process, and leave a terminal that shows nothing.
struct Unseen(Termios);

impl Unseen {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(rustix::stdio::stdin())?;
        let mut unseen = before.clone();
        let without = LocalModes::ECHO | LocalModes::ISIG;
        unseen.local_modes.remove(without);
        unseen.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &unseen)?;
        Ok(Self(before))
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        // There is nobody to be told if the terminal is gone.
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &self.0);
    }
}

fn ask(question: &str) -> io::Result<String> {
    write!(io::stderr(), "{question}")?;
    let answer = typed_line(io::stdin().lock());
    writeln!(io::stderr())?;
    answer
}

/// A line that somebody types.
fn typed_line(input: impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    for byte in input.bytes() {
        match byte? {
            b'\n' => break,
            INTERRUPT => return Err(io::Error::other("interrupted")),
            byte => line.push(byte),
        }
    }
    String::from_utf8(line).map_err(|_| io::Error::other("the password is not UTF-8"))
}

fn read_line() -> io::Result<String> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_line_ends_with_its_end_and_is_nothing_after_an_interrupt() {
        assert_eq!(typed_line(&b"secret\nmore"[..]).unwrap(), "secret");
        assert_eq!(typed_line(&b"secret"[..]).unwrap(), "secret");
        let interrupted = typed_line(&b"sec\x03ret\n"[..]).unwrap_err();
        assert_eq!(interrupted.to_string(), "interrupted");
    }
}
