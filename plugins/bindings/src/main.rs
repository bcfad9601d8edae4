//! `cargo run -p bindings`: writes the bindings of the Rust SDK.

use anyhow::Result;

fn main() -> Result<()> {
    std::fs::write(bindings::kept(), bindings::generate()?)?;
    Ok(())
}
