//! The repository as a whole, over stores in memory.

mod basics;
mod concurrent;
mod crash;
mod damage;
mod lake;
mod lost;
mod model;
