//! The decoder of Parquet, which may panic on hostile bytes: that is an error of the file like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures::{Stream, StreamExt};
use parquet::errors::{ParquetError, Result};

/// Runs a step of the decoder.
///
/// # Errors
///
/// The step's, and that it panicked.
pub(super) fn caught<T>(step: impl FnOnce() -> Result<T>) -> Result<T> {
    // Nothing of what it was at work on is used afterwards.
    catch_unwind(AssertUnwindSafe(step)).unwrap_or_else(|panic| Err(broke_off(&*panic)))
}

/// The items of a stream of the decoder; that it panicked is the last of them.
pub(super) fn caught_stream<T>(stream: impl Stream<Item = Result<T>>) -> impl Stream<Item = Result<T>> {
    let items = AssertUnwindSafe(stream).catch_unwind();
    items.map(|item| item.unwrap_or_else(|panic| Err(broke_off(&*panic))))
}

fn broke_off(panic: &(dyn Any + Send)) -> ParquetError {
    let why = panic.downcast_ref::<String>().map(String::as_str);
    let why = why.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it did not say why");
    ParquetError::General(format!("the decoder broke off, the file may be damaged: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_that_panics_is_an_error() {
        let broken = caught::<()>(|| std::panic::panic_any("no".to_owned()));
        assert!(broken.unwrap_err().to_string().contains("broke off, the file may be damaged: no"));
        assert_eq!(caught(|| Ok(1)).unwrap(), 1);
        let items = futures::stream::iter(0..9).map(|item| match item {
            2 => std::panic::panic_any("no"),
            item => Ok(item),
        });
        let items: Vec<_> = futures::executor::block_on(caught_stream(items).collect());
        assert_eq!(items.len(), 3);
        assert!(items[0].is_ok() && items[1].is_ok() && items[2].is_err());
    }
}
