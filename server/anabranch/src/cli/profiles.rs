//! The file of profiles: servers and keys under a name each, readable by their owner only.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

/// Everything that the file holds.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profiles {
    /// The profile that is asked when nothing else is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) in_use: Option<String>,
    /// The profiles by name.
    #[serde(default)]
    pub(super) profiles: BTreeMap<String, Profile>,
}

/// A server and the keys to ask it with.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) endpoint: String,
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ca_cert: Option<PathBuf>,
}

/// Where the file is: below `XDG_CONFIG_HOME`, or else below `HOME`.
pub(super) fn path(environment: &dyn Fn(&str) -> Option<String>) -> anyhow::Result<PathBuf> {
    let folder = |name: &str| environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let configuration = folder("XDG_CONFIG_HOME").or_else(|| folder("HOME").map(|home| home.join(".config")));
    let configuration =
        configuration.context("there is no place for profiles: set HOME or XDG_CONFIG_HOME")?;
    Ok(configuration.join("anabranch").join("profiles.toml"))
}

impl Profiles {
    /// Reads the file. One that is absent holds no profile; one that others can read is refused.
    pub(super) fn read(file: &Path) -> anyhow::Result<Self> {
        let facts = match fs::metadata(file) {
            Ok(facts) => facts,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Profiles::default()),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", file.display())),
        };
        if facts.permissions().mode() & 0o077 != 0 {
            bail!("{0} holds secrets and others may read it: run `chmod 600 {0}`", file.display());
        }
        let text = fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?;
        Profiles::parse(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Reads the text of the file.
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        // The parser's own message would quote the line, which may hold a secret.
        let wrong = |error: toml::de::Error| {
            let line = error.span().map_or(1, |span| {
                text.get(..span.start).unwrap_or_default().bytes().filter(|byte| *byte == b'\n').count() + 1
            });
            anyhow::anyhow!("line {line}: {}", error.message())
        };
        toml::from_str(text).map_err(wrong)
    }

    /// Writes the file, whole or not at all, readable by its owner only.
    pub(super) fn write(&self, file: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("the profiles cannot be written as TOML")?;
        let temporary = file.with_extension("new");
        let write = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            // An older one could be readable by others: the mode is set only on a new file.
            match fs::remove_file(&temporary) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            let mut out = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&temporary)?;
            out.write_all(text.as_bytes())?;
            out.sync_all()?;
            fs::rename(&temporary, file)
        };
        write().with_context(|| format!("{} cannot be written", file.display()))
    }

    /// The profile of this name; the error says which there are.
    pub(super) fn get(&self, name: &str) -> anyhow::Result<&Profile> {
        self.profiles.get(name).with_context(|| {
            let names: Vec<&str> = self.profiles.keys().map(String::as_str).collect();
            match names.as_slice() {
                [] => format!("there is no profile {name:?}: `anabranch profile add` makes one"),
                names => format!("there is no profile {name:?}: the profiles are {}", names.join(", ")),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Profiles {
        let profile = Profile {
            endpoint: "https://lake.example".into(),
            access_key_id: "AKIA".into(),
            secret_access_key: "a \"secret\"".into(),
            ca_cert: None,
        };
        Profiles { in_use: Some("prod".into()), profiles: [("prod".to_owned(), profile)].into() }
    }

    #[test]
    fn the_file_is_its_owners_and_comes_back_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a/b/profiles.toml");
        assert!(Profiles::read(&file).unwrap().profiles.is_empty());
        one().write(&file).unwrap();
        one().write(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let back = Profiles::read(&file).unwrap();
        assert_eq!(back.in_use.as_deref(), Some("prod"));
        assert_eq!(back.get("prod").unwrap().secret_access_key, "a \"secret\"");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("profiles.toml");
        one().write(&file).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let error = Profiles::read(&file).err().unwrap().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn damage_is_reported_without_the_secret() {
        let error = Profiles::parse("[profiles.x]\nsecret_access_key = hidden-treasure\n").err().unwrap();
        let error = format!("{error:#}");
        assert!(error.contains("line 2") && !error.contains("hidden-treasure"), "{error}");
    }
}
