//! `explain`: why one person's account is as it is.

use std::fmt::Write as _;

use super::hold;
use super::render::{Printed, count, shown, table};
use super::session::{Ended, Place, clock, exit, progress};
use crate::model::shown::line;
use crate::report::{self, Explanation, FactView};
use crate::sync::{Deps, plan_person};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom: a login, e-mail, user name, `sys_id` or Okta id.
    #[arg(value_name = "PERSON")]
    person: String,
    #[command(flatten)]
    printed: Printed,
}

pub(crate) async fn explain(place: &Place, args: &Args) -> Ended {
    let config = place.load()?;
    let deps = Deps::reading(config, clock(), progress())?;
    let plan = plan_person(&deps, &args.person).await?;
    let explanation = report::explain(&deps, &plan, &args.person)?;
    args.printed.print(&explanation, text_of)?;
    Ok(exit::DONE)
}

fn text_of(explanation: &Explanation) -> String {
    let mut text = String::new();
    let person = &explanation.person;
    let _ = writeln!(
        text,
        "{} (sys_user {}, {})",
        line(person.name()),
        line(person.user_name.as_deref().unwrap_or("-")),
        line(person.sys_id.as_deref().unwrap_or("-"))
    );
    let _ = match &explanation.account {
        Some(account) => writeln!(
            text,
            "Okta account {} is {}, {} by {} on {}",
            account.okta_id,
            account.status,
            if account.created { "created" } else { "linked" },
            account.origin,
            account.since
        ),
        None => writeln!(text, "No Okta account"),
    };
    let _ = writeln!(text, "Should be: {}\n", explanation.status);
    for fact in &explanation.facts {
        let _ = writeln!(text, "{}", fact_text(fact));
    }
    if !explanation.requests.is_empty() {
        let mut table = table();
        table.set_header(["request", "operation", "state", "approval", "from", "until", "note"]);
        for request in &explanation.requests {
            let note = match (&request.problem, request.vanished, request.in_force) {
                (Some(problem), _, _) => problem,
                (None, true, _) => "no longer readable in ServiceNow",
                (None, false, true) => "in force",
                (None, false, false) => "not in force",
            };
            table.add_row([
                &*request.number,
                request.operation.unwrap_or("-"),
                request.state,
                request.approval,
                request.starts.as_deref().unwrap_or("-"),
                request.ends.as_deref().unwrap_or("-"),
                note,
            ]);
        }
        let _ = writeln!(text, "\n{table}");
    }
    if !explanation.holds.is_empty() {
        let _ = writeln!(text, "\n{}", hold::rows(&explanation.holds));
    }
    let source = if explanation.live { "read just now" } else { "as last observed" };
    let differing = explanation.facts.iter().filter(|fact| !fact.in_sync).count();
    let _ = write!(
        text,
        "\n{} of {} in sync ({source})",
        explanation.facts.len() - differing,
        count(explanation.facts.len(), "fact", "facts")
    );
    text
}

fn fact_text(fact: &FactView) -> String {
    let mark = if fact.in_sync { " " } else { "!" };
    let name = fact.name.as_deref().map(|name| format!(" {}", line(name))).unwrap_or_default();
    let actual = shown(fact.actual.as_deref());
    // A cleared attribute is desired as much as a filled one; of a status nothing may be said.
    let unsaid = fact.desired.is_none() && fact.fact != "profile";
    let desired = if unsaid { actual.clone() } else { shown(fact.desired.as_deref()) };
    let is = if fact.in_sync { String::new() } else { format!(", is {actual}") };
    let origin = fact.origin.as_deref().unwrap_or("unattributed");
    let since = fact.since.as_deref().map(|at| format!(" since {at}")).unwrap_or_default();
    let mut text =
        format!("{mark} {}{name}: {desired}{is} ({origin}, {}{since})", fact.fact, fact.cause);
    for reason in &fact.reasons {
        let _ = write!(text, "\n    + {}", line(&reason.text));
    }
    for against in &fact.against {
        let _ = write!(text, "\n    - {}", line(against));
    }
    text
}
