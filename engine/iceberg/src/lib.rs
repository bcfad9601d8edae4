//! The Iceberg merger. Its place is kept here; it is built by a later issue.
