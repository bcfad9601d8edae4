//! `anabranch config`: what is wrong with a file, and where each value comes from.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::keys::{KEYS, Kind, documentation};
use super::sources::{Sources, Values};
use super::{SettingFlags, Settings, environment, read_file, refused};

/// Checks and shows settings.
#[derive(Args, Clone, Debug)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// Says what is wrong with a configuration file, together with the environment. Opens nothing else: no database,
    /// no folder, no file of a secret. Exit code 2 if something is wrong.
    Check {
        /// The file.
        file: PathBuf,
    },
    /// Takes the flags of `serve`, and shows every value and where it comes from.
    Show(Box<SettingFlags>),
    /// Prints the documentation of every setting, in Markdown.
    Reference,
}

/// Checks or shows.
pub(crate) fn run(args: ConfigArgs) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Check { file } => {
            let sources =
                Sources { environment: environment(), file: Some(read_file(&file)?), ..Sources::default() };
            let values = sources.resolve(false);
            values.and_then(|values| Settings::from_values(&values)).map_err(|wrong| refused(&wrong))?;
            println!("{} can be used", file.display());
        }
        What::Show(flags) => {
            let values = flags.values(false)?;
            print!("{}", shown(&values));
            Settings::from_values(&values).map_err(|wrong| refused(&wrong))?;
        }
        What::Reference => print!("{}", documentation()),
    }
    Ok(ExitCode::SUCCESS)
}

/// One line for each setting, secrets left out.
pub(super) fn shown(values: &Values) -> String {
    let mut lines = String::new();
    let width = KEYS.iter().map(|key| key.name.len()).max().unwrap_or_default();
    for key in KEYS {
        let (value, origin) = match values.get(key.name) {
            None => ("(none)".to_owned(), "default".to_owned()),
            Some(found) => {
                let value = match &found.held_by {
                    Some(path) => format!("(in {})", path.display()),
                    // What is no secret by default shows that nobody gave one.
                    None if key.kind == Kind::Secret && Some(found.text.as_str()) != key.default => {
                        "(secret)".to_owned()
                    }
                    None if found.text.is_empty() => "(none)".to_owned(),
                    None => found.text.clone(),
                };
                (value, found.origin.to_string())
            }
        };
        lines.push_str(&format!("{:width$}  {value}  [{origin}]\n", key.name));
    }
    lines
}
