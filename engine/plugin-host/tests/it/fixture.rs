//! A plugin in WebAssembly text: everything that the contract wants, but for the merge itself.

use std::path::Path;

use wit_component::StringEncoding;
use wit_parser::Resolve;

/// The parts of a plugin that an attack replaces.
#[derive(Clone)]
pub(crate) struct Attack {
    /// Imports and further functions.
    pub(crate) top: &'static str,
    /// The body of `on-merge`; its parameter `$in` points at the input.
    pub(crate) merge: String,
    /// The body of `on-diff`, before it answers; its last parameter, 13, is where changes go.
    pub(crate) diff: String,
    /// The body of `cabi_realloc`, by which the host asks for memory.
    pub(crate) realloc: &'static str,
    /// The body of `describe`, before it answers.
    pub(crate) describe: &'static str,
    /// What `claim.start` says: 0 three-way, 1 ours, 2 nothing.
    pub(crate) start: u8,
}

/// A bump allocator.
const REALLOC: &str = "
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (drop (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
    (local.get $at)";

/// An attack whose merge does `merge`.
pub(crate) fn attack(merge: &str) -> Attack {
    Attack { top: "", merge: merge.to_owned(), diff: String::new(), realloc: REALLOC, describe: "", start: 0 }
}

impl Attack {
    /// The plugin: a core module that carries the world `merge-plugin`. Memory: the description at 256, what its texts say
    /// at 512, text of the attack at 1024, the answer of `on-merge` (zero: done) at 2048, room for answers at 4096.
    pub(crate) fn text(&self) -> String {
        let Attack { top, merge, diff, realloc, describe, start } = self;
        format!(
            r#"(module $attack
  {top}
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 65536))
  (func $realloc (export "cabi_realloc") (param $old i32) (param $oldsize i32) (param $align i32) (param $size i32) (result i32)
    {realloc})
  (data (i32.const 256) "\00\02\00\00\06\00\00\00\06\02\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\03\00\00\01\00\00\00\00\00\00\00")
  (data (i32.const 512) "attack1")
  (data (i32.const 768) "\00\02\00\00\06\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\{start:02x}\00\00\00")
  (func (export "anabranch:merge/about@0.1.0#describe") (result i32)
    {describe}
    (i32.const 256))
  (func (export "anabranch:merge/differ@0.1.0#on-diff")
    (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)
    {diff}
    (i32.const 2048))
  (func $on_merge (export "anabranch:merge/merger@0.1.0#on-merge") (param $in i32) (result i32)
    (local $i i32) (local $handle i32)
    {merge}
    (i32.const 2048)))"#
        )
    }

    /// The same, built.
    pub(crate) fn module(&self) -> Vec<u8> {
        self.module_of(&[], "merge-plugin")
    }

    /// The same for a world of the last of `packages`, which are read after the contract.
    pub(crate) fn module_of(&self, packages: &[&str], world: &str) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).unwrap();
        let mut resolve = Resolve::default();
        let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit/0.1");
        let (mut package, _) = resolve.push_path(contract).unwrap();
        for text in packages {
            package = resolve.push_str("fixture.wit", text).unwrap();
        }
        let world = resolve.select_world(&[package], Some(world)).unwrap();
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        module
    }
}

/// `log.write`.
pub(crate) const LOG: &str =
    r#"(import "anabranch:merge/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
/// `snapshot.walk`.
pub(crate) const WALK: &str = r#"(import "anabranch:merge/snapshots@0.1.0" "[method]snapshot.walk" (func $walk (param i32 i32 i32) (result i32)))"#;
/// `snapshot.open`, and the log to say what came of it.
pub(crate) const OPEN: &str = r#"(import "anabranch:merge/log@0.1.0" "write" (func $log (param i32 i32 i32)))
  (import "anabranch:merge/snapshots@0.1.0" "[method]snapshot.open" (func $open (param i32 i32 i32 i32)))"#;
/// `result-tree.create`, `object-writer.write`.
pub(crate) const WRITE: &str = r#"(import "anabranch:merge/output@0.1.0" "[method]result-tree.create" (func $create (param i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]object-writer.write" (func $write (param i32 i32 i32 i32)))"#;
/// The same, `object-writer.copy`, `object-writer.finish`, `result-tree.put` and `snapshot.open`.
pub(crate) const MAKE: &str = r#"(import "anabranch:merge/output@0.1.0" "[method]result-tree.create" (func $create (param i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]object-writer.write" (func $write (param i32 i32 i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]object-writer.copy" (func $copy (param i32 i32 i64 i64 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]object-writer.finish" (func $finish (param i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]result-tree.put" (func $put (param i32 i32 i32 i32 i32)))
  (import "anabranch:merge/snapshots@0.1.0" "[method]snapshot.open" (func $open (param i32 i32 i32 i32)))"#;
/// `result-tree.remove`, `result-tree.take`.
pub(crate) const EDIT: &str = r#"(import "anabranch:merge/output@0.1.0" "[method]result-tree.remove" (func $remove (param i32 i32 i32 i32)))
  (import "anabranch:merge/output@0.1.0" "[method]result-tree.take" (func $take (param i32 i32 i32 i32 i32)))"#;

/// `sink.emit`.
pub(crate) const EMIT: &str =
    r#"(import "anabranch:merge/diffs@0.1.0" "[method]sink.emit" (func $emit (param i32 i32 i32 i32)))"#;

/// A text as the bytes of a WebAssembly string.
pub(crate) fn escaped(text: &[u8]) -> String {
    text.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
