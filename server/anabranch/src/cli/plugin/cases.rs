//! `anabranch plugin test`: merges that are written down as folders, run as a server runs them.
//!
//! A case is a folder with `base/`, `ours/`, `theirs/` and `expected/`. Under a claim of single objects each file is a
//! unit, under a claim of folders each side is one. `expect.toml` says what else is wanted of a case.

mod expect;
mod read;
mod run;

use std::path::PathBuf;
use std::sync::Arc;

use anabranch_plugin_host::Plugin;
use anyhow::bail;
use clap::Args;
use serde_json::json;

use super::local::Runtime;
use crate::cli::output::{Answer, DIFFERS, counted};

#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// The plugin.
    file: PathBuf,
    /// The folder of cases, or of one case.
    cases: PathBuf,
}

pub(super) async fn run(args: &TestArgs) -> anyhow::Result<Answer> {
    let runtime = Runtime::start()?;
    let plugin = runtime.open(&args.file).await?;
    let cases = read::cases(&args.cases)?;
    if cases.is_empty() {
        bail!("{} holds no case: a folder with ours/ or theirs/", args.cases.display());
    }
    Ok(report(&plugin, &cases).await)
}

/// Runs all cases. A case that cannot be read has failed as well.
async fn report(plugin: &Arc<Plugin>, cases: &[read::Case]) -> Answer {
    let (mut text, mut results, mut failed) = (String::new(), Vec::new(), 0_u64);
    for case in cases {
        let result = run::case(plugin, case).await;
        let name = &case.name;
        match &result {
            Ok(()) => text.push_str(&format!("ok      {name}\n")),
            Err(why) => {
                failed += 1;
                text.push_str(&format!("FAILED  {name}\n"));
                for line in why.lines() {
                    text.push_str(&format!("        {line}\n"));
                }
            }
        }
        results.push(json!({"case": name, "failure": result.err()}));
    }
    let count = counted(cases.len() as u64, "case");
    text.push_str(&format!("{count} of {}, {failed} failed\n", plugin.component()));
    let json = json!({"component": plugin.component(), "cases": results, "failed": failed});
    Answer { text, json, exit_code: if failed == 0 { 0 } else { DIFFERS } }
}
