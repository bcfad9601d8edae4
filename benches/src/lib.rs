//! Benches of the engine and side-by-side runs against peers.
