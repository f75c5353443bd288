//! Passwords from a terminal, unseen, or from a pipe.

use crate::failure::Failure;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use std::io::{BufRead, IsTerminal, Read, Write};

/// The terminal as it was, once this goes.
struct Echo(Termios);

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.0);
    }
}

#[expect(clippy::print_stderr, reason = "questions go to the terminal, not into what is printed")]
fn ask(question: &str) -> Result<String, Failure> {
    let before = tcgetattr(std::io::stdin()).map_err(std::io::Error::from)?;
    let mut unseen = before.clone();
    unseen.local_flags.remove(LocalFlags::ECHO);
    eprint!("{question}");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    {
        let _echo = Echo(before);
        tcsetattr(std::io::stdin(), SetArg::TCSANOW, &unseen).map_err(std::io::Error::from)?;
        std::io::stdin().lock().read_line(&mut answer)?;
    }
    eprintln!();
    Ok(answer.trim_end_matches(['\r', '\n']).to_owned())
}

/// The first line of a pipe.
pub(crate) fn from_stdin() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return Err(Failure::new(
            2,
            "--password-stdin reads the password from a pipe, for example: pass show shop | backupctl …",
        ));
    }
    let mut text = String::new();
    std::io::stdin().take(64 << 10).read_to_string(&mut text)?;
    let password = text.lines().next().unwrap_or_default().to_owned();
    if password.is_empty() {
        return Err(Failure::new(2, "the password on standard input is empty"));
    }
    Ok(password)
}

/// A new password: from a pipe, or asked for twice.
pub(crate) fn new(question: &str, stdin: bool) -> Result<String, Failure> {
    if stdin {
        return from_stdin();
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::new(
            2,
            "there is no terminal to ask for the password; give it through a pipe with --password-stdin",
        ));
    }
    let password = ask(question)?;
    if ask("Once more: ")? != password {
        return Err(Failure::new(2, "the two were not the same; nothing was changed"));
    }
    Ok(password)
}
