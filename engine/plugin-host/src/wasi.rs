//! A WASI 0.2 with nothing in it, for interpreters that ask for one whether they use it or not.
//!
//! No files, no sockets, no environment, no arguments. The clock stands at the time of the merge, random numbers come
//! from its seed, and what is written to standard output and error becomes the plugin's log. Everything else ends the
//! call with the name of what was asked for. Defined from a component's own imports, so any 0.2.x fits.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, LinkerInstance, Resource, ResourceAny, ResourceType, Val};
use wasmtime::{Engine, StoreContextMut};

use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::Stop;

/// What stands behind every handle of this WASI: its number says which stream it is.
struct Nothing;

const STDIN: u32 = 0;
const STDOUT: u32 = 1;
const STDERR: u32 = 2;
const POLLABLE: u32 = 3;

/// The most random bytes of one call.
const RANDOM_BYTES_MAX: u64 = 1024 * 1024;
/// How many bytes a stream takes at once.
const WRITE_BYTES: u64 = 64 * 1024;

/// Defines what `component` imports of `wasi:`.
pub(crate) fn add_to_linker(
    linker: &mut Linker<CallState>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    for (interface, import) in component.component_type().imports(engine) {
        if !interface.starts_with("wasi:") {
            continue;
        }
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        let mut defined = linker.instance(interface)?;
        for (name, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::ComponentFunc(_) => define(&mut defined, interface, name)?,
                ComponentItem::Resource(_) => {
                    defined.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn define(
    instance: &mut LinkerInstance<'_, CallState>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    // `wasi:cli/stderr@0.2.9` is `cli/stderr` here.
    let bare = interface.trim_start_matches("wasi:").split('@').next().unwrap_or_default();
    let name = format!("{bare}.{function}");
    instance.func_new(function, move |mut store, _, arguments, results| {
        let handles = take_handles(&mut store, arguments)?;
        let Some(answer) = answer(&mut store, &name, &handles, arguments)? else {
            let message = format!("it called wasi:{name}, which plugins do not have");
            return Err(Stop::Broken(message).into());
        };
        if let (Some(answer), Some(result)) = (answer, results.first_mut()) {
            *result = answer;
        }
        Ok(())
    })
}

/// What a function answers: `Some(None)` is a function without a result, `None` one that there is not.
fn answer(
    store: &mut StoreContextMut<'_, CallState>,
    name: &str,
    handles: &[u32],
    arguments: &[Val],
) -> wasmtime::Result<Option<Option<Val>>> {
    let none = || Val::Option(None);
    let done = || Val::Result(Ok(None));
    let value = match name {
        "cli/environment.get-environment"
        | "cli/environment.get-arguments"
        | "filesystem/preopens.get-directories" => Val::List(Vec::new()),
        "cli/environment.initial-cwd"
        | "cli/terminal-stdin.get-terminal-stdin"
        | "cli/terminal-stdout.get-terminal-stdout"
        | "cli/terminal-stderr.get-terminal-stderr" => none(),
        "cli/stdin.get-stdin" => handle(store, STDIN)?,
        "cli/stdout.get-stdout" => handle(store, STDOUT)?,
        "cli/stderr.get-stderr" => handle(store, STDERR)?,
        "io/streams.[method]input-stream.read" | "io/streams.[method]input-stream.blocking-read" => {
            Val::Result(Err(Some(Box::new(Val::Variant("closed".into(), None)))))
        }
        "io/streams.[method]output-stream.check-write" => {
            Val::Result(Ok(Some(Box::new(Val::U64(WRITE_BYTES)))))
        }
        "io/streams.[method]output-stream.write"
        | "io/streams.[method]output-stream.blocking-write-and-flush" => {
            say(store.data_mut(), handles, arguments)?;
            done()
        }
        "io/streams.[method]output-stream.flush" | "io/streams.[method]output-stream.blocking-flush" => {
            done()
        }
        "io/streams.[method]output-stream.subscribe"
        | "io/streams.[method]input-stream.subscribe"
        | "clocks/monotonic-clock.subscribe-duration"
        | "clocks/monotonic-clock.subscribe-instant" => handle(store, POLLABLE)?,
        "io/poll.[method]pollable.ready" => Val::Bool(true),
        "io/poll.[method]pollable.block" => return Ok(Some(None)),
        // Waiting takes no time.
        "io/poll.poll" => Val::List((0_u32..).zip(handles).map(|(index, _)| Val::U32(index)).collect()),
        "clocks/monotonic-clock.now" => Val::U64(store.data_mut().chance.step()),
        "clocks/monotonic-clock.resolution" => Val::U64(1_000),
        "clocks/wall-clock.now" => datetime(store.data().chance.time_ms),
        "clocks/wall-clock.resolution" => datetime(1),
        "random/random.get-random-bytes" | "random/insecure.get-insecure-random-bytes" => {
            random(store, arguments)?
        }
        "random/random.get-random-u64" | "random/insecure.get-insecure-random-u64" => {
            Val::U64(store.data_mut().chance.number())
        }
        "random/insecure-seed.insecure-seed" => {
            let chance = &mut store.data_mut().chance;
            Val::Tuple(vec![Val::U64(chance.number()), Val::U64(chance.number())])
        }
        _ => return Ok(None),
    };
    Ok(Some(Some(value)))
}

fn handle(store: &mut StoreContextMut<'_, CallState>, number: u32) -> wasmtime::Result<Val> {
    let resource = Resource::<Nothing>::new_own(number);
    Ok(Val::Resource(ResourceAny::try_from_resource(resource, store)?))
}

/// The numbers behind all handles among the arguments. What is only borrowed must be given back before the call ends,
/// which this does.
fn take_handles(store: &mut StoreContextMut<'_, CallState>, arguments: &[Val]) -> wasmtime::Result<Vec<u32>> {
    let mut handles = Vec::new();
    for argument in arguments {
        let list =
            if let Val::List(list) = argument { list.as_slice() } else { std::slice::from_ref(argument) };
        for value in list {
            if let Val::Resource(handle) = value {
                handles.push(Resource::<Nothing>::try_from_resource_any(*handle, &mut *store)?.rep());
            }
        }
    }
    Ok(handles)
}

fn datetime(time_ms: u64) -> Val {
    let nanoseconds = (time_ms % 1_000).saturating_mul(1_000_000);
    Val::Record(vec![
        ("seconds".into(), Val::U64(time_ms / 1_000)),
        ("nanoseconds".into(), Val::U32(u32::try_from(nanoseconds).unwrap_or_default())),
    ])
}

/// Standard output and error are the log.
fn say(state: &mut CallState, handles: &[u32], arguments: &[Val]) -> Result<(), Stop> {
    let Some(Val::List(contents)) = arguments.get(1) else { return Ok(()) };
    let byte = |value: &Val| if let Val::U8(byte) = value { *byte } else { b'?' };
    let text: Vec<u8> = contents.iter().map(byte).collect();
    let level = if handles.first() == Some(&STDERR) { "stderr" } else { "stdout" };
    state.words.stream(level, &String::from_utf8_lossy(&text));
    state.spend(Limit::LogLines, 1)?;
    state.spend(Limit::LogBytes, text.len() as u64)
}

fn random(store: &mut StoreContextMut<'_, CallState>, arguments: &[Val]) -> wasmtime::Result<Val> {
    let Some(Val::U64(count)) = arguments.first() else { return Ok(Val::List(Vec::new())) };
    if *count > RANDOM_BYTES_MAX {
        return Err(Stop::Broken(format!("it asked for {count} random bytes at once")).into());
    }
    let chance = &mut store.data_mut().chance;
    let bytes = (0..*count).map(|_| Val::U8(chance.number().to_le_bytes()[0]));
    Ok(Val::List(bytes.collect()))
}

/// Time and chance of a call: the same for the same preview.
#[derive(Debug, Default)]
pub(crate) struct Chance {
    /// The time of the merge.
    pub(crate) time_ms: u64,
    seed: [u8; 32],
    drawn: u64,
    steps: u64,
}

impl Chance {
    pub(crate) fn new(time_ms: i64, seed: [u8; 32]) -> Self {
        Chance { time_ms: u64::try_from(time_ms).unwrap_or_default(), seed, drawn: 0, steps: 0 }
    }

    /// Every look at the clock is a microsecond later.
    fn step(&mut self) -> u64 {
        self.steps = self.steps.saturating_add(1_000);
        self.steps
    }

    fn number(&mut self) -> u64 {
        self.drawn = self.drawn.wrapping_add(1);
        let hash = blake3::keyed_hash(&self.seed, &self.drawn.to_le_bytes());
        hash.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }
}
