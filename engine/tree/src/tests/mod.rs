//! The laws of trees, against a plain map.
