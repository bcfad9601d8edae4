//! The S3 gateway on the s3s crate, one module per operation.
