//! Stories about people and requests, told by the real program against both simulated systems.
#![cfg(feature = "sim")]

mod bed;

mod access;
mod alone;
mod answers;
mod approvers;
mod aside;
mod believing;
mod broken;
mod check;
mod correlate;
mod edits;
mod explain;
mod first_sight;
mod guards;
mod hand;
mod hanging;
mod hold;
mod joiner;
mod lanes;
mod leaver;
mod lifecycle;
mod lists;
mod mover;
mod news;
mod pause;
mod profile;
mod refused;
mod requests;
mod rival;
mod scale;
mod sight;
mod takeover;
mod thread;
mod writeback;
mod yes;
