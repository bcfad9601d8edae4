//! How the end of a call reads, for people.

use crate::plugin::Plugin;
use crate::state::LastWords;
use crate::stop::Ending;

/// What ended a call, where the plugin was, and the last that it said.
pub(crate) fn ending(ending: &Ending, words: &LastWords) -> String {
    let mut text = ending.stop.to_string();
    if !ending.frames.is_empty() {
        text.push_str("; it was in ");
        text.push_str(&ending.frames.join(" < "));
    }
    append_words(&mut text, words);
    text
}

/// The last that a plugin said.
pub(crate) fn append_words(text: &mut String, words: &LastWords) {
    let last = words.last();
    if !last.is_empty() {
        text.push_str("; its last words: ");
        text.push_str(&last.join(" | "));
    }
}

/// A failure of `plugin` on the unit at `root`.
pub(crate) fn failed(plugin: &Plugin, root: &str, what: &str) -> String {
    let digest = plugin.digest();
    let short = digest.get(.."sha256:".len() + 12).unwrap_or_default();
    format!("plugin {} {} ({short}) failed on {root}: {what}", plugin.name(), plugin.version())
}
