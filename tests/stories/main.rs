//! Stories about people and requests, told by the real program against both simulated systems.
#![cfg(feature = "sim")]

mod bed;

mod correlate;
mod hand;
mod joiner;
mod leaver;
mod lifecycle;
mod mover;
mod scale;
