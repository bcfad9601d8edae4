//! How a server is configured: one table of settings, four places where they can be given, one precedence.

mod command;
mod keys;
mod settings;
mod sources;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

pub(crate) use command::{ConfigArgs, run};
pub(crate) use settings::{
    GatewaySettings, Limits, LogSettings, ObjectsSettings, PluginSettings, RefsSettings, Settings, TlsFiles,
    TraceSettings,
};

use keys::{KEYS, flag_of};
use sources::{Sources, Values};

/// The flags of `serve`: one for each setting, and `--config`. They are made from the table of settings.
#[derive(Clone, Default)]
pub(crate) struct SettingFlags {
    given: BTreeMap<String, String>,
}

impl std::fmt::Debug for SettingFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be secrets.
        f.debug_set().entries(self.given.keys()).finish()
    }
}

/// Earlier names of flags and variables that stay usable.
const ALIASES: &[(&str, &str)] = &[("refs.url", "postgres")];

impl SettingFlags {
    /// Flags that a caller inside the program gives.
    pub(crate) fn of(given: &[(&str, &str)]) -> Self {
        SettingFlags {
            given: given.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect(),
        }
    }

    /// The settings that these flags, the environment and the file say.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        let values = self.values(true)?;
        Settings::from_values(&values).map_err(|wrong| refused(&wrong))
    }

    /// The settings that these flags alone say, whatever the environment holds.
    pub(crate) fn settings_alone(&self) -> anyhow::Result<Settings> {
        let sources = Sources { flags: self.given.clone(), ..Sources::default() };
        let values = sources.resolve(true);
        values.and_then(|values| Settings::from_values(&values)).map_err(|wrong| refused(&wrong))
    }

    fn values(&self, open: bool) -> anyhow::Result<Values> {
        let environment = environment();
        let mut sources = Sources { flags: self.given.clone(), environment, file: None };
        if let Some(path) = sources.named_file() {
            sources.file = Some(read_file(&path)?);
        }
        sources.resolve(open).map_err(|wrong| refused(&wrong))
    }
}

/// The variables that may be settings.
fn environment() -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> =
        std::env::vars().filter(|(name, _)| name.starts_with("ANABRANCH_")).collect();
    for (name, alias) in ALIASES {
        if let Some(text) = found.remove(&keys::variable_of(alias)) {
            found.entry(keys::variable_of(name)).or_insert(text);
        }
    }
    found
}

fn read_file(path: &Path) -> anyhow::Result<(PathBuf, BTreeMap<String, String>)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("the configuration file {} cannot be read", path.display()))?;
    let values = sources::parse(path, &text).map_err(|wrong| refused(&wrong))?;
    Ok((path.to_owned(), values))
}

/// All that is wrong, one line each.
fn refused(wrong: &[String]) -> anyhow::Error {
    anyhow!("the configuration is refused:\n  {}", wrong.join("\n  "))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config").long("config").value_name("FILE").help(
            "A TOML file with settings; flags and environment go before it. `anabranch config check FILE` checks it [env: ANABRANCH_CONFIG]",
        );
        let mut command = command.arg(config.help_heading("Settings"));
        for key in KEYS {
            let default = key.default.filter(|text| !text.is_empty());
            let default = default.map(|text| format!(" [default: {text}]")).unwrap_or_default();
            let help = format!("{}{default} [env: {}]", key.help.trim_end_matches('.'), key.variable());
            let mut arg = flag(key.name, help);
            for (_, alias) in ALIASES.iter().filter(|(name, _)| *name == key.name) {
                arg = arg.alias(*alias);
            }
            command = command.arg(arg);
            if let Some(name) = key.file_name() {
                command = command.arg(flag(&name, format!("A file that holds {}", key.name)));
            }
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn flag(name: &str, help: String) -> Arg {
    let flag = flag_of(name);
    Arg::new(name.to_owned())
        .long(flag)
        .value_name("VALUE")
        .action(ArgAction::Set)
        .help(help)
        .help_heading("Settings")
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = SettingFlags::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        let names = KEYS.iter().flat_map(|key| [Some(key.name.to_owned()), key.file_name()]).flatten();
        for name in names.chain(["config".to_owned()]) {
            if let Some(text) = matches.get_one::<String>(&name) {
                self.given.insert(name, text.clone());
            }
        }
        Ok(())
    }
}
