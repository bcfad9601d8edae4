//! The project that `anabranch plugin new` writes compiles with this SDK and passes its own tests.

#[path = "../template/src/lib.rs"]
mod template;
