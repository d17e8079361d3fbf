//! Simulators of ServiceNow and Okta behind real HTTP on loopback.
//!
//! They share a small server ([`http`]), a clock that can be stopped ([`clock`]), faults on the way
//! ([`faults`]) and the time that it takes ([`line`]), and know nothing of the rest of the program.

pub mod clock;
pub mod company;
pub mod faults;
pub mod http;
pub mod line;
pub mod okta;
pub mod servicenow;
pub mod stage;
