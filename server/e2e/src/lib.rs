//! Real clients against a real daemon.
