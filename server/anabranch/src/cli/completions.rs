//! `anabranch completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;
use serde_json::Value;

use super::output::Answer;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  anabranch completions bash > ~/.local/share/bash-completion/completions/anabranch
  anabranch completions zsh > ~/.zfunc/_anabranch       # with ~/.zfunc in fpath
  anabranch completions fish > ~/.config/fish/completions/anabranch.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

pub(super) fn run(args: &CompletionsArgs) -> Answer {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::Cli::command(), "anabranch", &mut script);
    Answer::clean(String::from_utf8_lossy(&script), Value::Null)
}
