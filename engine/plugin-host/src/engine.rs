//! The runtime that all plugins of a server share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, EngineWeak, OptLevel, WasmBacktraceDetails};

use crate::answers::Answers;
use crate::behind::Behind;
use crate::bindings;
use crate::cache::Cache;
use crate::error::PluginError;
use crate::limits::{CompileLimits, Limits};
use crate::meter::{Meter, NoMeter};
use crate::plugin::Plugin;
use crate::state::CallState;

/// How often the clock ticks by which running plugins are looked at.
const TICK: Duration = Duration::from_millis(10);

/// The stack that the host's functions need on top of a plugin.
const HOST_STACK_BYTES: u64 = 1024 * 1024;

/// How a [`PluginEngine`] is set up.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Where compiled plugins are kept: a folder that the server alone writes.
    pub cache: PathBuf,
    /// What is compiled at all.
    pub compile: CompileLimits,
    /// Bytes of stack of a call.
    pub stack_bytes: u64,
    /// The largest limit of a plugin on the elements of its tables.
    pub table_elements: u64,
    /// How many calls run at the same time. Further ones wait.
    pub calls_max: usize,
    /// How many bytes of answers are kept, so that the same question needs no second call. Zero, which is usual: none.
    pub answers_bytes: u64,
    /// What counts the calls.
    pub meter: Arc<dyn Meter>,
}

impl EngineOptions {
    /// The defaults, with compiled plugins below `cache`.
    pub fn new(cache: impl Into<PathBuf>) -> Self {
        EngineOptions {
            cache: cache.into(),
            compile: CompileLimits::default(),
            stack_bytes: Limits::default().stack_bytes,
            table_elements: Limits::default().table_elements,
            calls_max: 16,
            answers_bytes: 0,
            meter: Arc::new(NoMeter),
        }
    }
}

/// Compiles plugins and runs them. Cheap to clone.
///
/// What plugins compute is deterministic: one form of NaN, no threads, no relaxed SIMD, no clock, no randomness.
#[derive(Clone)]
pub struct PluginEngine {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Engine,
    cache: Cache,
    options: EngineOptions,
    /// Turns to run a call.
    calls: Arc<Semaphore>,
    behind: Behind,
    answers: Answers,
    /// The turn to compile. One that takes too long keeps it until it ends, so that such plugins cannot pile up.
    compiling: Arc<Semaphore>,
    /// What compiles: all cores, behind everything else.
    compilers: rayon::ThreadPool,
}

impl PluginEngine {
    /// Starts the runtime.
    pub fn new(options: EngineOptions) -> Result<Self, PluginError> {
        let engine = crate::pool::engine(&config(&options), &options)?;
        let cache = Cache::open(options.cache.clone(), &engine)?;
        tick(engine.weak())?;
        let calls = Arc::new(Semaphore::new(options.calls_max.max(1)));
        let compiling = Arc::new(Semaphore::new(1));
        let compilers = compilers()?;
        let answers = Answers::new(options.answers_bytes);
        let behind = Behind::new()?;
        let inner = Inner { engine, cache, options, calls, behind, answers, compiling, compilers };
        Ok(PluginEngine { inner: Arc::new(inner) })
    }

    /// Makes a plugin ready to run: checks it, compiles it unless that was done before, and asks it what it is.
    ///
    /// Takes a component of the world `merge-plugin` or `diff-plugin` of `wit/0.1`, or a core module that carries such a
    /// world, also one of WASI preview 1. The errors say what is wrong with it.
    pub async fn install(&self, bytes: Bytes, limits: Limits) -> Result<Arc<Plugin>, PluginError> {
        let value = self.inner.options.compile.component_bytes;
        if bytes.len() as u64 > value {
            let detail = format!(" with {} bytes", bytes.len());
            return Err(PluginError::CompileLimit { limit: "component-bytes", value, detail });
        }
        let (component, digest, exports) = self.compile(bytes).await?;
        self.describe(component, digest, exports, limits).await
    }

    /// Makes a plugin ready that this runtime compiled before, by its digest (`sha256:…`) and without its bytes. `merges` is
    /// whether it merges, which was known when it was installed. `None`: it has to be installed again.
    pub async fn open(
        &self,
        digest: &str,
        merges: bool,
        limits: Limits,
    ) -> Result<Option<Arc<Plugin>>, PluginError> {
        let digest = digest.strip_prefix("sha256:").unwrap_or(digest).to_owned();
        // It names a folder.
        if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Ok(None);
        }
        let (inner, named) = (Arc::clone(&self.inner), digest.clone());
        let load = tokio::task::spawn_blocking(move || inner.cache.load(&inner.engine, &named));
        let loaded = load.await.map_err(|error| PluginError::Runtime(error.to_string()))??;
        match loaded {
            Some(component) => {
                let exports = crate::inspect::Exports { merges };
                self.describe(component, digest, exports, limits).await.map(Some)
            }
            None => Ok(None),
        }
    }

    async fn describe(
        &self,
        component: Component,
        digest: String,
        exports: crate::inspect::Exports,
        limits: Limits,
    ) -> Result<Arc<Plugin>, PluginError> {
        let linker = self.linker(&component)?;
        let pre = linker.instantiate_pre(&component).map_err(|error| {
            PluginError::NotAPlugin(format!("it does not fit the contract 0.1: {error:#}"))
        })?;
        let limits = Limits { stack_bytes: self.inner.options.stack_bytes, ..limits };
        Plugin::describe(self.clone(), pre, digest, exports, limits).await.map(Arc::new)
    }

    /// Compiles in the time that there is for it.
    async fn compile(
        &self,
        bytes: Bytes,
    ) -> Result<(Component, String, crate::inspect::Exports), PluginError> {
        let seconds = self.inner.options.compile.seconds;
        let over = || PluginError::CompileLimit {
            limit: "seconds",
            value: seconds,
            detail: ", or others are being compiled".into(),
        };
        let inner = Arc::clone(&self.inner);
        let compile = async {
            let turn = Arc::clone(&self.inner.compiling).acquire_owned().await;
            let turn = turn.map_err(|error| PluginError::Runtime(error.to_string()))?;
            let compiled = tokio::task::spawn_blocking(move || {
                let compiled = inner.compile(&bytes);
                drop(turn);
                compiled
            });
            compiled.await.map_err(|error| PluginError::Runtime(error.to_string()))?
        };
        tokio::time::timeout(Duration::from_secs(seconds), compile).await.map_err(|_| over())?
    }

    /// What is lent to plugins, and for what `component` asks of WASI a WASI with nothing in it.
    fn linker(&self, component: &Component) -> Result<Linker<CallState>, PluginError> {
        let mut linker = Linker::new(&self.inner.engine);
        let linked = bindings::MergePlugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)
            .and_then(|()| crate::wasi::add_to_linker(&mut linker, &self.inner.engine, component));
        linked.map_err(|error| PluginError::Runtime(format!("{error:#}")))?;
        Ok(linker)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// The answers that are kept, of all plugins.
    pub(crate) fn answers(&self) -> &Answers {
        &self.inner.answers
    }

    pub(crate) fn meter(&self) -> &dyn Meter {
        &*self.inner.options.meter
    }

    /// Where calls run that are not short.
    pub(crate) fn behind(&self) -> &Behind {
        &self.inner.behind
    }

    /// A turn to run a call.
    pub(crate) fn calls(&self) -> Arc<Semaphore> {
        Arc::clone(&self.inner.calls)
    }
}

impl std::fmt::Debug for PluginEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PluginEngine").field("options", &self.inner.options).finish_non_exhaustive()
    }
}

impl Inner {
    fn compile(&self, bytes: &[u8]) -> Result<(Component, String, crate::inspect::Exports), PluginError> {
        let digest = hex::encode(Sha256::digest(bytes));
        let component = crate::encode::component(bytes)?;
        let exports = crate::inspect::inspect(&component, &self.options.compile)?;
        if let Some(loaded) = self.cache.load(&self.engine, &digest)? {
            return Ok((loaded, digest, exports));
        }
        let compile = || Component::from_binary(&self.engine, &component);
        let compiled = (self.compilers.install(compile))
            .map_err(|error| PluginError::NotAPlugin(format!("it cannot be compiled: {error:#}")))?;
        self.cache.store(&compiled, &digest)?;
        Ok((compiled, digest, exports))
    }
}

fn config(options: &EngineOptions) -> Config {
    let mut config = Config::new();
    config.consume_fuel(true);
    config.epoch_interruption(true);
    config.cranelift_nan_canonicalization(true);
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_relaxed_simd(false);
    config.max_wasm_stack(usize::try_from(options.stack_bytes).unwrap_or(usize::MAX));
    // The host's functions run on the stack of the plugin.
    let stack = options.stack_bytes.saturating_add(HOST_STACK_BYTES);
    config.async_stack_size(usize::try_from(stack).unwrap_or(usize::MAX));
    // The contract has no `async`; without it a call of the host costs a fifth.
    config.concurrency_support(false);
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config
}

fn compilers() -> Result<rayon::ThreadPool, PluginError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .thread_name(|index| format!("plugin-compiler-{index}"))
        .start_handler(|_| crate::priority::stand_behind());
    pool.build().map_err(|error| PluginError::Runtime(error.to_string()))
}

/// Moves the clock of running plugins on until the engine is gone.
fn tick(engine: EngineWeak) -> Result<(), PluginError> {
    let clock = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    let spawned = std::thread::Builder::new().name("plugin-clock".into()).spawn(clock);
    spawned.map(|_| ()).map_err(|error| PluginError::Runtime(error.to_string()))
}
