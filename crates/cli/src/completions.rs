//! `lapwing completions`: what a shell needs to complete the program's words.

use anyhow::Result;
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  lapwing completions bash > ~/.local/share/bash-completion/completions/lapwing
  lapwing completions zsh > ~/.zfunc/_lapwing
  lapwing completions fish > ~/.config/fish/completions/lapwing.fish")]
pub(crate) struct Arguments {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut program: clap::Command) -> Result<()> {
    clap_complete::generate(arguments.shell, &mut program, "lapwing", &mut std::io::stdout());
    Ok(())
}
