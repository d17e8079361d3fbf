//! The daemon: what it tells the service manager, what signals do, and how it lives through
//! outages of either side.
#![cfg(feature = "sim")]

mod outages;
mod process;
mod signals;
mod thread;
mod vitals;
