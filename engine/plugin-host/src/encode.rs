//! Makes a component of a core module that carries its WIT, so that authors need no further tool.

use std::borrow::Cow;

use wit_component::ComponentEncoder;

use crate::error::PluginError;

/// `wasi-adapter.wat`, built: what a module of WASI preview 1 gets instead of a system. It imports only `log`.
pub(crate) const ADAPTER: &[u8] = include_bytes!("../adapter/wasi-adapter.wasm");

/// How WebAssembly begins, modules and components alike.
const MAGIC: &[u8] = b"\0asm";

/// The first eight bytes of a core module, and of nothing else.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// The component that `bytes` are, or that is made of them where they are a core module.
///
/// # Errors
/// [`PluginError::NotAPlugin`] for a module that carries no world of the contract, or imports what no adapter gives.
pub fn component(bytes: &[u8]) -> Result<Cow<'_, [u8]>, PluginError> {
    if !bytes.starts_with(MAGIC) {
        return Err(PluginError::NotAPlugin("it does not begin as WebAssembly does".to_owned()));
    }
    if !bytes.starts_with(MODULE) {
        return Ok(Cow::Borrowed(bytes));
    }
    let encode = || {
        let encoder = ComponentEncoder::default().validate(true).module(bytes)?;
        encoder.adapter("wasi_snapshot_preview1", ADAPTER)?.encode()
    };
    encode().map(Cow::Owned).map_err(|error| {
        PluginError::NotAPlugin(format!("it is a module of which no component can be made: {error:#}"))
    })
}
