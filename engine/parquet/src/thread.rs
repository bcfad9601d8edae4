//! Threads for rows.

use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Runs work on a thread of its own: walking over rows keeps a core busy, and does not belong where requests are answered.
/// Nor among the runtime's threads for what blocks: the ranges of many merges, each waiting for its turn to write, could
/// take them all, and the reads of the first range would wait for one. If the work breaks off, the receiver gets nothing.
///
/// # Errors
///
/// No thread can be started.
pub fn on_a_thread<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> std::io::Result<oneshot::Receiver<T>> {
    let runtime = Handle::current();
    let (sender, receiver) = oneshot::channel();
    std::thread::Builder::new().name("rows".to_owned()).spawn(move || {
        // Whoever waited may have gone meanwhile.
        let _ = sender.send(runtime.block_on(work));
    })?;
    Ok(receiver)
}
