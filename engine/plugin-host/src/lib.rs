//! Runs WebAssembly components of wit/ as mergers. Its place is kept here; it is built by a later issue.
