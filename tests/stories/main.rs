//! Stories about people and requests, told by the real program against both simulated systems.
#![cfg(feature = "sim")]

mod bed;

mod hand;
mod joiner;
mod leaver;
mod mover;
mod requests;
mod scale;
mod writeback;
