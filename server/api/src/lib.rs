//! REST: the lakeFS-compatible surface and our own, and its OpenAPI document.
