//! `postern config`: checks, shows and documents the settings.

use std::process::ExitCode;

use clap::Subcommand;

use super::{fail, fail_with, say};
use crate::{
    app::{renderer, sinks},
    config::{Config, Sources, reference},
};

/// What to do with the settings.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look for problems without starting
    Check,
    /// Print what is in force, without secrets
    Show,
    /// Print the reference of all settings in Markdown
    Reference,
}

/// Does it.
pub fn run(command: &Command, sources: &Sources) -> ExitCode {
    if matches!(command, Command::Reference) {
        say(reference().trim_end());
        return ExitCode::SUCCESS;
    }
    let reading = Config::read(sources);
    if matches!(command, Command::Show) {
        for setting in &reading.settings {
            let origin = if setting.given { "" } else { "  (default)" };
            say(format_args!("{} = {}{origin}", setting.name, if setting.value.is_empty() { "-" } else { &setting.value }));
        }
    }
    match reading.into_config() {
        Err(problems) => fail_with(problems),
        Ok(config) => {
            if matches!(command, Command::Check) {
                // What only those who use it can judge: a sender by its grammar, and files of which each has to be read.
                let judged = [sinks(&config).err(), renderer(&config).err()];
                let problems: Vec<String> = judged.into_iter().flatten().map(|problem| problem.to_string()).collect();
                if !problems.is_empty() {
                    return fail(problems.join("\n"));
                }
                config.warnings().iter().for_each(|warning| say(format_args!("warning: {warning}")));
                say("the settings are good");
            }
            ExitCode::SUCCESS
        }
    }
}
