//! Keys are `REF/PATH`.

use s3s::{S3Error, S3Result, s3_error};

/// The longest key, ref included: the limit of S3.
pub(crate) const KEY_BYTES_MAX: usize = 1024;

/// A key taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target<'a> {
    /// A branch, tag, commit or ref expression.
    pub(crate) reference: &'a str,
    /// The path of an object; never empty.
    pub(crate) path: &'a str,
}

/// Takes a key apart; `None` if it names no object of any ref.
pub(crate) fn split(key: &str) -> Option<Target<'_>> {
    let (reference, path) = key.split_once('/')?;
    if reference.is_empty() || reference.starts_with('@') || path.is_empty() {
        return None;
    }
    Some(Target { reference, path })
}

/// The target of a read: a key that can name no object names none.
pub(crate) fn of_read<'a>(bucket: &str, key: &'a str) -> S3Result<Target<'a>> {
    check_length(bucket, key)?;
    split(key).ok_or_else(|| {
        s3_error!(NoSuchKey, "key {key:?} does not exist in bucket {bucket}: keys are REF/PATH")
    })
}

/// The target of a write.
pub(crate) fn of_write<'a>(bucket: &str, key: &'a str) -> S3Result<Target<'a>> {
    check_length(bucket, key)?;
    split(key).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "key {key:?} of bucket {bucket} cannot be written: keys are BRANCH/PATH, and a first segment that \
             begins with '@' is reserved"
        )
    })
}

fn check_length(bucket: &str, key: &str) -> Result<(), S3Error> {
    if key.len() <= KEY_BYTES_MAX {
        return Ok(());
    }
    let start: String = key.chars().take(100).collect();
    Err(s3_error!(
        KeyTooLongError,
        "a key of bucket {bucket} has {} bytes, at most {KEY_BYTES_MAX} are accepted; it begins with {start:?}",
        key.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_ref_and_a_path() {
        assert_eq!(split("main/a/b"), Some(Target { reference: "main", path: "a/b" }));
        assert_eq!(split("main~1//a"), Some(Target { reference: "main~1", path: "/a" }));
        assert_eq!(split("main/a/"), Some(Target { reference: "main", path: "a/" }));
        for nothing in ["", "main", "main/", "/a", "//", "@tables/a", "@"] {
            assert_eq!(split(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn refused_keys_are_named() {
        let error = of_write("sales", "main").expect_err("no path");
        assert_eq!(error.code().as_str(), "InvalidArgument");
        assert!(error.message().is_some_and(|text| text.contains("\"main\"") && text.contains("sales")));
        let long = of_read("sales", &format!("main/{}", "x".repeat(1020))).expect_err("too long");
        assert_eq!(long.code().as_str(), "KeyTooLongError");
        assert!(of_read("sales", &format!("main/{}", "x".repeat(1019))).is_ok());
    }
}
