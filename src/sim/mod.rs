//! Simulators of ServiceNow and Okta behind real HTTP on loopback.
