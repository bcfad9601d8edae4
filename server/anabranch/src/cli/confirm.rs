//! Asks before something is lost.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, bail};

/// Goes on if `yes` was given, or if the person at the terminal says so. `what` is what would be done.
pub(super) fn confirm(what: &str, yes: bool) -> anyhow::Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        bail!("this would {what}: give --yes to do it without a question");
    }
    eprint!("This would {what}. Go on? [y/N] ");
    std::io::stderr().flush().context("the standard error cannot be written")?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).context("the answer cannot be read")?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => bail!("nothing was done"),
    }
}
