//! Goldthread keeps Okta in step with ServiceNow and ties every change to the request that asked for it.

#[cfg(feature = "sim")]
pub mod sim;
