//! `simulate`: both simulators, to try things by hand.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::render;
use super::session::{self, Ended, Failure, exit};
use crate::sim::clock::Clock;
use crate::sim::line::Latency;
use crate::sim::stage::Stage;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where ServiceNow answers, on a loopback address; Okta answers on the next port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8420")]
    listen: SocketAddr,
    /// How many people the company has.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    people: u32,
    /// The same seed makes the same company.
    #[arg(long, value_name = "S", default_value_t = 7)]
    seed: u64,
    /// How long each call to either of them takes, as on a network; `250ms+50ms` adds up to 50 ms
    /// more, differently for each call.
    #[arg(long, value_name = "TIME[+JITTER]", default_value = "0")]
    latency: Latency,
}

pub(crate) fn simulate(args: &Args) -> Ended {
    if !args.listen.ip().is_loopback() {
        return Err(Failure::Usage(format!(
            "{} is not a loopback address: the simulators take no real credentials",
            args.listen
        )));
    }
    let people = usize::try_from(args.people).unwrap_or(200);
    let stage = Stage::open(people, args.seed, Clock::new(), Some(args.listen))
        .map_err(|error| Failure::Failed(format!("{}: {error}", args.listen)))?;
    stage.set_latency(Latency { seed: args.seed, ..args.latency });
    let folder = session::temporary_folder("simulate")?;
    let path = folder.path().join("config.toml");
    let config = stage.config(folder.path())?;
    std::fs::write(&path, &config)?;
    render::out(config.trim_end())?;
    render::aside(&guide(&stage, &path.display().to_string()))?;

    let stop = session::stop_flag()?;
    while !stop.load(Ordering::Relaxed) {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    Ok(exit::DONE)
}

/// What to do with the simulators, step by step, to be copied as it stands.
fn guide(stage: &Stage, path: &str) -> String {
    let credentials = stage.servicenow.credentials();
    let (user, password) = (credentials.user_name, credentials.password);
    let (servicenow, okta) = (stage.servicenow_url(), stage.okta_url());
    let item = stage.company.item_id("Okta onboarding").unwrap_or_default();
    let group = stage.company.group_id("app-gitlab");
    let token = crate::sim::stage::OKTA_TOKEN;
    let first = format!(
        r#"
ServiceNow answers at {servicenow}, Okta at {okta}. Stop both with Ctrl-C.
Nothing here is real, and everything is gone when they stop.
The configuration above stands in {path}.

1. In another terminal:

export GOLDTHREAD_CONFIG={path}
servicenow() {{ curl -s -u '{user}:{password}' -H 'Accept: application/json' -H 'Content-Type: application/json' "$@"; echo; }}
okta() {{ curl -s -H 'Authorization: SSWS {token}' -H 'Accept: application/json' -H 'Content-Type: application/json' "$@"; echo; }}
goldthread sync
"#
    );
    let newcomer = stage.company.people().iter().find(|person| person.newcomer);
    let Some(person) = newcomer else { return first };
    let (name, id, login) =
        (format!("{} {}", person.first_name, person.last_name), &person.sys_id, &person.email);
    let employee = &person.employee_number;
    format!(
        r#"{first}
2. Order an account for {name}, who has none, with access to app-gitlab:

servicenow '{servicenow}/api/sn_sc/servicecatalog/items/{item}/order_now' \
  -d '{{"sysparm_quantity":1,"sysparm_requested_for":"{id}","variables":{{"employee":"{id}","action":"Add","start_date":"2020-01-01","groups":"{group}"}}}}'

3. Two seconds later it waits for its approval: until then, goldthread plan has nothing to do.
   Find the newest approval, and say yes:

approval=$(servicenow '{servicenow}/api/now/table/sysapproval_approver?sysparm_query=state=requested^ORDERBYDESCsys_created_on&sysparm_limit=1&sysparm_fields=sys_id' | sed -n 's/.*"sys_id":"\([^"]*\)".*/\1/p')
servicenow -X PATCH "{servicenow}/api/now/table/sysapproval_approver/$approval" -d '{{"state":"approved"}}'

4. See what would be done, have it done, and look at the account {login}
   and at the request, which is closed:

goldthread plan
goldthread sync
okta -G '{okta}/api/v1/users' --data-urlencode 'search=profile.employeeNumber eq "{employee}"'
servicenow '{servicenow}/api/now/table/sc_req_item?sysparm_query=ORDERBYDESCsys_created_on&sysparm_limit=1&sysparm_fields=number,state,closed_at'

5. Change something in Okta behind its back, find it, and have it repaired:

user=$(okta -G '{okta}/api/v1/users' --data-urlencode 'search=profile.employeeNumber eq "{employee}"' | sed -n 's/.*"id":"\(00u[^"]*\)".*/\1/p')
okta -X POST "{okta}/api/v1/users/$user" -d '{{"profile":{{"department":"Somewhere else"}}}}'
goldthread drift
goldthread sync --full"#
    )
}
