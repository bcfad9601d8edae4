//! The Delta merger: read, plan, write and lint.
