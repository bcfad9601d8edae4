//! One bar for all that is moved, on a terminal only.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts bytes; cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// A bar for so many bytes. It draws nothing if it is not wanted, or the standard error is no terminal.
    pub(in crate::cli) fn bytes(total: u64, wanted: bool) -> Self {
        Self::with(
            total,
            wanted,
            "{bar:30} {decimal_bytes}/{decimal_total_bytes}  {decimal_bytes_per_sec}  {eta} left",
        )
    }

    /// A line for work whose end is not known.
    pub(in crate::cli) fn counting(wanted: bool) -> Self {
        Self::with(0, wanted, "{spinner} {msg}  {elapsed}")
    }

    fn with(total: u64, wanted: bool, template: &str) -> Self {
        // Draws nothing where the standard error is no terminal.
        let target = if wanted { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress { bar }
    }

    /// Counts bytes that were moved, or need not be.
    pub(in crate::cli) fn add(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// Takes back bytes whose move broke off.
    pub(super) fn take_back(&self, bytes: u64) {
        self.bar.set_position(self.bar.position().saturating_sub(bytes));
    }

    /// Says how far it is.
    pub(in crate::cli) fn say(&self, message: String) {
        self.bar.set_message(message);
    }

    /// Removes the bar.
    pub(in crate::cli) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
