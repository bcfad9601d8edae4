//! Plugins that mean harm, written as WebAssembly text: each ends with the limit or the rule that stopped it, by name,
//! while a well-behaved plugin goes on merging beside it.

mod compiling;
mod memory;
mod outside;
mod running;
mod system;

use std::path::Path;

use anabranch_merge::test_support::UnitCase;
use anabranch_merge::{Failure, FailureReason, MergeOutcome, Merger, UnitKind};
use anabranch_plugin_host::{EngineOptions, Limits, PluginEngine, PluginMerger};
use tokio::sync::OnceCell;

use crate::fixture::{self, Attack};

/// The same plugins are installed on a whole server, by tests and benches that have no assembler. `UPDATE_EXPECT=1` writes
/// them anew.
#[test]
fn the_attacks_that_are_checked_in_are_these() {
    for (name, attack) in [
        ("endless", fixture::attack(running::ENDLESS)),
        ("memory", memory::using_all_memory()),
        ("writes", memory::writing_without_end()),
    ] {
        let file = crate::support::testdata().join(format!("{name}.wasm"));
        let module = attack.module();
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &module).unwrap();
        }
        let is = std::fs::read(&file).unwrap_or_default();
        assert!(is == module, "{} is another: run with UPDATE_EXPECT=1", file.display());
    }
}

/// What all attacks run beside: one runtime, and the plugin `lines` in it.
struct Town {
    engine: PluginEngine,
    bystander: PluginMerger,
}

async fn town() -> &'static Town {
    static TOWN: OnceCell<Town> = OnceCell::const_new();
    TOWN.get_or_init(|| async {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("attacked-plugins");
        let engine = PluginEngine::new(EngineOptions::new(cache)).unwrap();
        let lines = engine.install(crate::support::lines().into(), Limits::default()).await.unwrap();
        let bystander = PluginMerger::new("lines", lines, UnitKind::Object).unwrap();
        Town { engine, bystander }
    })
    .await
}

/// A folder that both sides changed: `shared.txt` differently.
fn unit() -> UnitCase {
    UnitCase::new("attack", "tables/orders", UnitKind::Folder)
        .base("shared.txt", "old")
        .base("kept.txt", "kept")
        .same_on_all_sides()
        .ours("shared.txt", "ours")
        .theirs("shared.txt", "theirs")
        .theirs("new.txt", "new")
}

/// Runs a plugin on [`unit`] while the bystander merges, and gives back how it ended.
async fn outcome(attack: Attack, limits: Limits) -> MergeOutcome {
    outcome_of(attack.module(), limits).await
}

async fn outcome_of(module: Vec<u8>, limits: Limits) -> MergeOutcome {
    let town = town().await;
    let plugin = town.engine.install(module.into(), limits).await.unwrap();
    let attacker = PluginMerger::new("attacker", plugin, UnitKind::Folder).unwrap();
    let text = UnitCase::new("bystander", "notes.txt", UnitKind::Object)
        .base("", "a\nb\nc\n")
        .ours("", "x\nb\nc\n")
        .theirs("", "a\nb\nz\n");
    let case = unit();
    let bystander = async {
        // Several times, so that at least one falls into the attack.
        for _ in 0..5 {
            let outcome = text.run(&town.bystander as &dyn Merger).await;
            assert!(matches!(outcome, MergeOutcome::Merged { .. }), "the bystander: {outcome:?}");
        }
    };
    tokio::join!(case.run(&attacker), bystander).0
}

/// Runs a plugin that must fail.
async fn fails(attack: Attack, limits: Limits, reason: FailureReason) -> String {
    failure(outcome(attack, limits).await, reason)
}

/// How a plugin failed; the message without its digest.
fn failure(outcome: MergeOutcome, reason: FailureReason) -> String {
    let MergeOutcome::Failed(Failure { reason: found, message }) = outcome else { panic!("{outcome:?}") };
    assert_eq!(found, reason, "{message}");
    let (before, rest) = message.split_once(" (sha256:").unwrap();
    assert_eq!(before, "plugin attack 1");
    let (_, what) = rest.split_once(") failed on tables/orders: ").unwrap();
    what.to_owned()
}

/// Runs a plugin that must reach a limit.
async fn reaches(attack: Attack, limits: Limits, name: &str, value: u64) -> String {
    let message = fails(attack, limits, FailureReason::Limit).await;
    let setting = name.replace('-', "_");
    let expected = format!("limit {name} = {value} was reached: set plugins.{setting} higher on the server");
    assert!(message.starts_with(&expected), "{message}");
    message
}
