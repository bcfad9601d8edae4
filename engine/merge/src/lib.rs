//! The vocabulary and laws of a merge, the Merger trait, the registry, the pipeline and the object-wise fallback.
