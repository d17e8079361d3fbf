//! `simulate`: both simulators, to try things by hand.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::render;
use super::session::{Failure, exit};
use crate::sim::clock::Clock;
use crate::sim::stage::Stage;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where ServiceNow answers, on a loopback address; Okta answers on the next port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420")]
    listen: SocketAddr,
    /// How many people the company has.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    people: u32,
    /// The same seed makes the same company.
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
}

pub fn simulate(args: &Args) -> Result<ExitCode, Failure> {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "{} is not a loopback address: the simulators take no real credentials",
            args.listen
        )));
    }
    let people = usize::try_from(args.people).unwrap_or(200);
    let stage = Stage::open(people, args.seed, Clock::new(), Some(args.listen))
        .map_err(|error| Failure::Failed(format!("{}: {error}", args.listen)))?;
    let folder = std::env::temp_dir().join(format!("goldthread-simulate-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let config = stage.config(&folder)?;
    let path = folder.join("config.toml");
    std::fs::write(&path, &config)?;
    render::out(&guide(&stage, &config, &path.display().to_string()))?;

    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    std::fs::remove_dir_all(&folder)?;
    Ok(exit::done())
}

/// What to do with the simulators, with everything filled in.
fn guide(stage: &Stage, config: &str, path: &str) -> String {
    let credentials = stage.servicenow.credentials();
    let (user, password) = (credentials.user_name, credentials.password);
    let (servicenow, okta) = (stage.servicenow_url(), stage.okta_url());
    let newcomer = stage.company.people().iter().find(|person| person.newcomer);
    let (name, person) = newcomer.map_or((String::new(), String::new()), |person| {
        (format!("{} {}", person.first_name, person.last_name), person.sys_id.clone())
    });
    let item = stage.company.item_id("Okta onboarding").unwrap_or_default();
    let group = stage.company.group_id("app-gitlab");
    let token = crate::sim::stage::OKTA_TOKEN;
    format!(
        r#"# ServiceNow answers at {servicenow}, Okta at {okta}. Stop both with Ctrl-C.
# Nothing here is real, and everything is gone when they stop.
#
# 1. This configuration stands in {path}; in another terminal:
#
#      export GOLDTHREAD_CONFIG={path}
#      goldthread sync
#
# 2. Order an account for {name}, who has none, with access to app-gitlab:
#
#      curl -s -u '{user}:{password}' -H 'Content-Type: application/json' -H 'Accept: application/json' \
#        '{servicenow}/api/sn_sc/servicecatalog/items/{item}/order_now' \
#        -d '{{"sysparm_quantity":1,"sysparm_requested_for":"{person}","variables":{{"employee":"{person}","action":"Add","start_date":"2020-01-01","groups":"{group}"}}}}'
#
# 3. Two seconds later it waits for its approval. Find the newest one, and approve it:
#
#      curl -s -u '{user}:{password}' -H 'Accept: application/json' \
#        '{servicenow}/api/now/table/sysapproval_approver?sysparm_query=state=requested^ORDERBYDESCsys_created_on&sysparm_limit=1&sysparm_fields=sys_id,sysapproval.number'
#      curl -s -u '{user}:{password}' -X PATCH -H 'Content-Type: application/json' -H 'Accept: application/json' \
#        '{servicenow}/api/now/table/sysapproval_approver/SYS_ID' -d '{{"state":"approved"}}'
#
# 4. goldthread plan, then goldthread sync, and look at the account in Okta:
#
#      curl -s -G -H 'Authorization: SSWS {token}' -H 'Accept: application/json' \
#        '{okta}/api/v1/users' --data-urlencode 'search=profile.employeeNumber eq "{number}"'
#
# 5. Change something there by hand, and ask goldthread drift.

{config}"#,
        number = newcomer.map_or("", |person| person.employee_number.as_str()),
    )
}
