//! `anabranch plugin build`: a project with a `plugin.toml` becomes a component.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use serde::Deserialize;

use super::check;
use super::local::{Runtime, read};
use crate::cli::output::Answer;

/// What describes a project.
const PROJECT: &str = "plugin.toml";

#[derive(Args, Debug)]
pub(super) struct BuildArgs {
    /// The folder of the project, with its plugin.toml.
    #[arg(default_value = ".")]
    folder: PathBuf,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Project {
    name: String,
    build: Build,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Build {
    /// Run in the project's folder.
    command: Vec<String>,
    /// What it makes: a component or a core module, relative to the project's folder.
    output: PathBuf,
}

pub(super) async fn run(args: &BuildArgs) -> anyhow::Result<Answer> {
    let project = project(&args.folder)?;
    compile(&args.folder, &project.build)?;
    let made = args.folder.join(&project.build.output);
    let built = read(&made).with_context(|| format!("build.output of {PROJECT}"))?;
    let component = anabranch_plugin_host::component(&built).with_context(|| made.display().to_string())?;
    let component = Bytes::from(component.into_owned());
    let size = component.len();
    let plugin =
        Runtime::start()?.take(component.clone()).await.with_context(|| made.display().to_string())?;
    let file = args.folder.join(format!("{}.wasm", project.name));
    std::fs::write(&file, &component).with_context(|| format!("{} cannot be written", file.display()))?;
    let mut value = check::value(&plugin, size);
    if let Some(fields) = value.as_object_mut() {
        fields.insert("file".into(), file.display().to_string().into());
    }
    Ok(Answer::clean(format!("{}  file       {}\n", check::text(&plugin, size), file.display()), value))
}

fn project(folder: &Path) -> anyhow::Result<Project> {
    let file = folder.join(PROJECT);
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!("{} cannot be read: `anabranch plugin new` makes a project that has one", file.display())
    })?;
    let project: Project =
        toml::from_str(&text).with_context(|| format!("{} is not valid", file.display()))?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    if project.name.is_empty() || !project.name.bytes().all(plain) {
        bail!("{}: name {:?} takes letters, digits, - and _", file.display(), project.name);
    }
    Ok(project)
}

/// Runs the project's own build. What it prints goes to the standard error, so that the answer stands alone.
fn compile(folder: &Path, build: &Build) -> anyhow::Result<()> {
    let Some((program, arguments)) = build.command.split_first() else {
        bail!("build.command of {PROJECT} is empty");
    };
    let shown = build.command.join(" ");
    let mut command = Command::new(program);
    // The output is looked for in the project: a target folder elsewhere would leave an old one to be taken.
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    let ran = command.args(arguments).current_dir(folder).stdout(std::io::stderr()).status();
    let status = ran.with_context(|| format!("{program:?} of {PROJECT} cannot be run: is it installed?"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}
