//! Real clients against a real daemon, and what must hold for the workspace as a whole.
//!
//! The clients are Python files in `clients/`, run by `tools/test`; the rules about the source tree are Rust tests in
//! `tests/it`.
