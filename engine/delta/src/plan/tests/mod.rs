//! Text in, text out: a table on three sides in a compact notation, and the merged log or the conflicts.

mod cases;
mod notation;
mod programs;
