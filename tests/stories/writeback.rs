//! What ServiceNow is told.
