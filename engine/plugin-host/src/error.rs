//! Why a plugin is refused before it ever runs for a merge.

/// A plugin that cannot be used, or a host that cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// A limit on what is compiled.
    #[error(
        "the plugin is over the limit compile.{limit} = {value}{detail}: make it smaller, or set the limit higher"
    )]
    CompileLimit {
        /// The limit's name.
        limit: &'static str,
        /// Its value.
        value: u64,
        /// What was found, where that is known; begins with a space.
        detail: String,
    },
    /// It is no plugin: no WebAssembly, another world, imports that plugins do not get.
    #[error("this is no plugin: {0}")]
    NotAPlugin(String),
    /// It failed while it described itself.
    #[error("the plugin does not describe itself: {0}")]
    Description(String),
    /// The folder of compiled plugins cannot be used.
    #[error("the folder of compiled plugins {path}: {message}")]
    Cache {
        /// The path.
        path: String,
        /// What is wrong, and what to do.
        message: String,
    },
    /// The runtime cannot be started.
    #[error("the plugin runtime does not start: {0}")]
    Runtime(String),
}
