//! Plugins that are none, or harm whoever compiles them.

use anabranch_plugin_host::{CompileLimits, Limits, PluginError};

use crate::fixture::attack;
use crate::support::{Runtime, lines};

async fn refused(component: impl Into<bytes::Bytes>) -> String {
    refused_within(CompileLimits::default(), component).await
}

async fn refused_within(compile: CompileLimits, component: impl Into<bytes::Bytes>) -> String {
    let runtime = Runtime::with(|options| options.compile = compile);
    let refused = runtime.install(component, Limits::default()).await.unwrap_err();
    assert!(matches!(refused, PluginError::NotAPlugin(_) | PluginError::CompileLimit { .. }), "{refused:?}");
    refused.to_string()
}

fn over(limit: &str, value: u64) -> String {
    format!("the plugin is over the limit compile.{limit} = {value}")
}

#[tokio::test]
async fn garbage_is_refused() {
    for garbage in [&b""[..], b"garbage", b"\0asm", b"\0asm\x0d\0\x01\0\xff\xff\xff\xff\xff"] {
        let message = refused(garbage.to_vec()).await;
        assert!(message.starts_with("this is no plugin: "), "{message}");
    }
    let whole = lines();
    for length in [100, whole.len() / 2, whole.len() - 1] {
        let message = refused(whole[..length].to_vec()).await;
        assert!(message.starts_with("this is no plugin: "), "{message}");
    }
    let mut flipped = whole;
    for index in (200..flipped.len()).step_by(97) {
        flipped[index] ^= 0x55;
    }
    let message = refused(flipped).await;
    assert!(message.starts_with("this is no plugin: "), "{message}");
}

#[tokio::test]
async fn another_world_is_refused_by_name() {
    let component = |text: &str| wat::parse_str(text).unwrap();
    for (text, expected) in [
        ("(component)", "it does not export anabranch:merge/about@0.1.0, only: "),
        (
            r#"(component (import "evil:net/socket@1.0.0" (instance)))"#,
            "it imports evil:net/socket@1.0.0, which is nothing that plugins get",
        ),
        (
            r#"(component (import "anabranch:merge/log@0.2.0" (instance)))"#,
            "it imports anabranch:merge/log@0.2.0, which is of another version of the contract: this server has 0.1",
        ),
    ] {
        let message = refused(component(text)).await;
        assert!(message.contains(expected), "{message}");
    }
    // A module that carries no world becomes a component without exports; one that wants a system becomes none.
    let message = refused(component("(module)")).await;
    assert!(message.contains("it does not export anabranch:merge/about@0.1.0"), "{message}");
    let message = refused(component(r#"(module (import "env" "system" (func (param i32))))"#)).await;
    assert!(message.contains("it is a module of which no component can be made"), "{message}");
}

#[tokio::test]
async fn a_plugin_whose_types_differ_is_refused_by_name() {
    // Exports of the right names, with nothing in them.
    let text = r#"(component (instance $empty)
        (export "anabranch:merge/about@0.1.0" (instance $empty))
        (export "anabranch:merge/differ@0.1.0" (instance $empty)))"#;
    let message = refused(wat::parse_str(text).unwrap()).await;
    assert!(message.contains("about"), "{message}");
}

#[tokio::test]
async fn a_large_component_is_refused_unread() {
    let compile = CompileLimits { component_bytes: 1_000, ..CompileLimits::default() };
    let message = refused_within(compile, lines()).await;
    assert!(message.starts_with(&over("component-bytes", 1_000)), "{message}");
}

#[tokio::test]
async fn deep_nesting_is_refused() {
    let mut text = "(component)".to_owned();
    for _ in 0..50 {
        text = format!("(component {text})");
    }
    let message = refused(wat::parse_str(text).unwrap()).await;
    assert!(message.starts_with(&over("depth", 8)), "{message}");
}

#[tokio::test]
async fn instances_that_multiply_are_refused() {
    // Ten of ten of ten of ten modules: a kilobyte that links ten thousand instances.
    let mut text = "(component $c0 (core module $m)".to_owned();
    text.push_str(&"(core instance (instantiate $m))".repeat(10));
    text.push(')');
    for level in 1..4 {
        let inner = level - 1;
        let many = format!("(instance (instantiate $c{inner}))").repeat(10);
        text = format!("(component $c{level} {text} {many})");
    }
    let message = refused(wat::parse_str(text).unwrap()).await;
    assert!(message.starts_with(&over("instances", 1_000)), "{message}");
}

#[tokio::test]
async fn blocks_and_functions_without_end_are_refused() {
    let nested = "(block ".repeat(20_000) + &")".repeat(20_000);
    let message = refused(attack(&nested).module()).await;
    assert!(message.starts_with(&over("blocks", 10_000)), "{message}");

    let long = "(i32.store8 (i32.const 0) (i32.const 0))".repeat(10_000);
    let compile = CompileLimits { function_bytes: 50_000, ..CompileLimits::default() };
    let message = refused_within(compile, attack(&long).module()).await;
    assert!(message.starts_with(&over("function-bytes", 50_000)), "{message}");

    let compile = CompileLimits { functions: 5, ..CompileLimits::default() };
    let message = refused_within(compile, lines()).await;
    assert!(message.starts_with(&over("functions", 5)), "{message}");
}

#[tokio::test]
async fn compiling_ends_in_time_and_bystanders_go_on() {
    let runtime = Runtime::with(|options| options.compile.seconds = 0);
    let refused = runtime.install(lines(), Limits::default()).await.unwrap_err();
    assert!(refused.to_string().starts_with(&over("seconds", 0)), "{refused}");
    // Another runtime's plugin, compiled already, is none the slower for it.
    let lines = Runtime::new().lines(Limits::default()).await;
    let case = anabranch_merge::test_support::UnitCase::new("b", "t", anabranch_merge::UnitKind::Object);
    let outcome = case.base("", "a\nb\nc\n").ours("", "x\nb\nc\n").theirs("", "a\nb\nz\n").run(&lines).await;
    assert!(matches!(outcome, anabranch_merge::MergeOutcome::Merged { .. }), "{outcome:?}");
}
