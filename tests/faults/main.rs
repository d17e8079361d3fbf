//! What goes wrong on the way to the two systems, told by the real program: a cycle ends in the
//! right state or says that it did not, never in a wrong write, and the next ones make up for it.

mod absurd;
mod believing;
// The stories use the rest of it.
#[allow(dead_code)]
#[path = "../stories/bed.rs"]
mod bed;
mod busy;
mod day;
mod field;
// The worlds use the rest of it.
#[allow(dead_code)]
#[path = "../worlds/journal.rs"]
mod journal;
mod lists;
mod matrix;
mod picture;
mod store;
mod writes;
