//! Row-level diff and three-way row merge. Its place is kept here; it is built by a later issue.
