//! Limits on what a cycle may do.

use std::time::Duration;

use globset::GlobSet;

/// `[guard]`, checked.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Logins, e-mails, names or ids never written to.
    pub protected_users: Vec<String>,
    /// Group names or ids never changed.
    pub protected_groups: Vec<String>,
    /// What a request may grant, by group name.
    pub grantable_groups: GlobSet,
    /// People that a complete read must contain.
    pub sentinels: Vec<String>,
    /// The sliding window that the limits count in.
    pub window: Duration,
    /// Suspensions and deactivations.
    pub max_disabled: u32,
    /// The same as a share of the managed accounts, 0 to 1; the larger counts.
    pub max_disabled_share: f64,
    /// Membership removals, those of a leave not counted.
    pub max_removed: u32,
    /// Share of one group of ten or more members, 0 to 1.
    pub max_group_share: f64,
    /// People changed for another cause than a request.
    pub max_changed: u32,
    /// The same as a share of the managed accounts, 0 to 1; the larger counts.
    pub max_changed_share: f64,
    /// How much smaller than the last believed full read a read of people may be, 0 to 1.
    pub max_people_drop: f64,
    /// Corrections of one fact in the window, after which it is contested.
    pub max_repeats: u32,
}
