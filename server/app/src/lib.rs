//! The use cases: auth, repository and jobs; the one place where front doors meet.
