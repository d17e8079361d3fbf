//! Both simulators, set up with one company and ready to be talked to.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use super::clock::Clock;
use super::company::{Company, References, example_config_with};
use super::faults::Faults;
use super::http::Server;
use super::line::Latency;
use super::okta::{Okta, Status};
use super::servicenow::ServiceNow;

/// The Okta API token that works on the stage. It opens nothing else.
pub const OKTA_TOKEN: &str = "00simulated-token";

/// A company in both systems: everybody has a record, and everybody but the newcomers has an
/// account that agrees with it.
pub struct Stage {
    /// The people, groups and catalog.
    pub company: Company,
    /// The clock of both systems; of ServiceNow where they are apart.
    pub clock: Clock,
    /// ServiceNow, as its people see it.
    pub servicenow: ServiceNow,
    /// Faults on the way to ServiceNow.
    pub servicenow_faults: Arc<Faults>,
    /// Okta, as its administrators see it; its faults are [`Okta::faults`].
    pub okta: Okta,
    servicenow_server: Server,
    okta_server: Server,
}

impl Stage {
    /// Sets the stage. `listen` is where ServiceNow answers; Okta answers on the next port, or on
    /// any where that is 0.
    pub fn open(
        people: usize,
        seed: u64,
        clock: Clock,
        listen: Option<SocketAddr>,
    ) -> std::io::Result<Self> {
        let okta_clock = clock.clone();
        Self::with_clocks(people, seed, (clock, okta_clock), listen)
    }

    /// The same with a clock for ServiceNow, which is the stage's, and one for Okta.
    pub fn with_clocks(
        people: usize,
        seed: u64,
        (clock, okta_clock): (Clock, Clock),
        listen: Option<SocketAddr>,
    ) -> std::io::Result<Self> {
        let company = Company::new(seed, people);
        let servicenow = ServiceNow::new(clock.clone(), seed);
        company.load(&servicenow);
        let okta = Okta::new(okta_clock);
        let groups: Vec<(&str, String)> = company
            .groups()
            .into_iter()
            .map(|name| (name, okta.add_group(name, "OKTA_GROUP")))
            .collect();
        for (name, id) in &groups {
            servicenow.link_group(name, id);
        }
        for person in company.people().iter().filter(|person| !person.newcomer) {
            let profile = serde_json::json!(person.okta_profile());
            let account = okta.add_user(&profile, Status::Active);
            if let Some((_, group)) = groups.iter().find(|(name, _)| *name == person.department) {
                okta.seed_member(group, &account);
            }
        }
        let admin = serde_json::json!({
            "login": "goldthread@example.com", "email": "goldthread@example.com",
            "firstName": "Goldthread", "lastName": "Service",
        });
        let admin = okta.add_user(&admin, Status::Active);
        okta.set_roles(&admin, &["SUPER_ADMIN"]);
        okta.register_token(OKTA_TOKEN, &admin);

        let listen = listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let next = match listen.port() {
            0 => listen,
            port => SocketAddr::new(listen.ip(), port.wrapping_add(1)),
        };
        let servicenow_faults = Arc::new(Faults::new());
        let servicenow_server = servicenow.serve_on(listen, Arc::clone(&servicenow_faults))?;
        let okta_server = okta.serve_on(next)?;
        Ok(Self {
            company,
            clock,
            servicenow,
            servicenow_faults,
            okta,
            servicenow_server,
            okta_server,
        })
    }

    /// From now on each call to either side takes so long.
    pub fn set_latency(&self, latency: Latency) {
        self.servicenow_faults.line().set(latency);
        self.okta.faults().line().set(latency);
    }

    /// ServiceNow's base address.
    pub fn servicenow_url(&self) -> &str {
        &self.servicenow_server.url
    }

    /// Okta's base address.
    pub fn okta_url(&self) -> &str {
        &self.okta_server.url
    }

    /// A configuration for both, with its secrets and its store in this folder.
    pub fn config(&self, folder: &Path) -> std::io::Result<String> {
        let credentials = self.servicenow.credentials();
        let file = |name: &str| folder.join(name).display().to_string();
        std::fs::write(folder.join("servicenow-password"), &credentials.password)?;
        std::fs::write(folder.join("okta-token"), OKTA_TOKEN)?;
        let references = References {
            servicenow_user: credentials.user_name,
            servicenow_password: format!("file:{}", file("servicenow-password")),
            okta_token: format!("file:{}", file("okta-token")),
            store: Some(file("goldthread.db")),
        };
        Ok(example_config_with(self.servicenow_url(), self.okta_url(), &references))
    }
}
