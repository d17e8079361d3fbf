//! `explain`: why one person's account is as it is, or why one request is where it is.
//!
//! By what both sides say now; where one of them cannot be read, or the configuration cannot be used,
//! by what the store holds.

use std::fmt::Write as _;

use super::hold;
use super::render::{Printed, count, shown, table};
use super::session::{Ended, Failure, Place, clock, exit, progress};
use crate::model::shown::line;
use crate::report::{
    self, ApproverView, ExplainedRequest, Explanation, Explanations, FactView, LastDecided,
    RequestExplanation, WaitingRequest,
};
use crate::store::Store;
use crate::sync::{Deps, plan_person, plan_request};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Whom: a login, e-mail, user name, `sys_id` or Okta id; or the number of a request.
    #[arg(value_name = "PERSON|REQUEST")]
    about: String,
    #[command(flatten)]
    printed: Printed,
}

pub(crate) async fn explain(place: &Place, args: &Args) -> Ended {
    let config = match place.load() {
        Ok(config) => config,
        Err(Failure::Config(mistake)) => return from_store(place, args, &mistake),
        Err(other) => return Err(other),
    };
    let deps = Deps::reading(config, clock(), progress())?;
    if let Some(plans) = plan_request(&deps, &args.about).await? {
        let explanation = report::explain_request(&deps, &plans)?;
        args.printed.print(&explanation, request_text)?;
        return Ok(exit::DONE);
    }
    let several = report::several_called(&deps, &args.about)?;
    let mut people = Vec::new();
    for person in &several {
        let plan = plan_person(&deps, person.as_str()).await?;
        people.push(report::explain(&deps, &plan, person.as_str())?);
    }
    if !people.is_empty() {
        args.printed.print(&Explanations { people }, several_text)?;
        return Ok(exit::DONE);
    }
    let plan = plan_person(&deps, &args.about).await?;
    let explanation = report::explain(&deps, &plan, &args.about)?;
    args.printed.print(&explanation, text_of)?;
    Ok(exit::DONE)
}

/// By what was decided last, where the configuration cannot be used: that is when one asks.
fn from_store(place: &Place, args: &Args, mistake: &str) -> Ended {
    let unusable = || Failure::Config(mistake.to_owned());
    let Ok((config, _)) = place.read_offline() else { return Err(unusable()) };
    if !Store::is_there(&config.store)? {
        return Err(unusable());
    }
    tracing::warn!("{mistake}\nthis is what was decided and observed last");
    match report::explain_last_decided(&config, &args.about, clock()())? {
        LastDecided::Request(request) => args.printed.print(&*request, request_text)?,
        LastDecided::People(people) => match <[Explanation; 1]>::try_from(people) {
            Ok([person]) => args.printed.print(&person, text_of)?,
            Err(people) => args.printed.print(&Explanations { people }, several_text)?,
        },
    }
    Ok(exit::DONE)
}

fn several_text(Explanations { people }: &Explanations) -> String {
    let each = people.iter().map(text_of).collect::<Vec<_>>().join("\n\n");
    format!("{} fit\n\n{each}", count(people.len(), "person", "people"))
}

fn request_text(RequestExplanation { request, people }: &RequestExplanation) -> String {
    let ExplainedRequest { listed, item, groups, asks_for, problems, vanished, .. } = request;
    let WaitingRequest { number, parent, operation, since, reason, needs, .. } = &listed.request;
    let parent = parent.as_ref().map_or(String::new(), |parent| format!(" of {parent}"));
    let mut text = format!("{number}{parent}: {}\n", line(item));
    let names: Vec<&str> = people.iter().map(|it| it.person.name()).collect();
    let whom = match (names.as_slice(), asks_for) {
        ([], Some(asked)) => asked.clone(),
        ([], None) => "whom it names is looked up once it is approved".to_owned(),
        (names, _) => names.join(", "),
    };
    let _ = writeln!(text, "asks for     {}: {}", operation.unwrap_or("?"), line(&whom));
    if !groups.is_empty() {
        let _ = writeln!(text, "groups       {}", line(&groups.join(", ")));
    }
    if listed.starts.is_some() || listed.ends.is_some() {
        let [from, until] = [&listed.starts, &listed.ends].map(|at| at.as_deref().unwrap_or("-"));
        let _ = writeln!(text, "in force     from {from} until {until}");
    }
    let _ = writeln!(text, "approval     {}{}", listed.approval, line(&approved_by(request)));
    let unread = if *vanished { ", and not to be read any more" } else { "" };
    let _ = writeln!(text, "ServiceNow   {}{unread}", listed.state);
    let needed = if *needs == "nobody" { String::new() } else { format!(" (needs: {needs})") };
    let _ = write!(text, "it is        {} since {since}: {}{needed}", listed.done, line(reason));
    // What is wrong beside the reason that is shown already.
    for problem in problems.iter().filter(|problem| !reason.contains(problem.as_str())) {
        let _ = write!(text, "\n             {}", line(problem));
    }
    for person in people {
        let _ = write!(text, "\n\n{}", text_of(person));
    }
    text
}

fn approved_by(request: &ExplainedRequest) -> String {
    let each = |it: &ApproverView| {
        let name = if it.user_name.is_empty() { &it.sys_id } else { &it.user_name };
        it.at.as_ref().map_or_else(|| name.clone(), |at| format!("{name} at {at}"))
    };
    let names: Vec<String> = request.approvers.iter().map(each).collect();
    match (names.is_empty(), &request.approvers_unknown) {
        (false, _) => format!(" by {}", names.join(", ")),
        (true, None) => ", and nobody is named who did it".to_owned(),
        (true, Some(_)) if request.listed.approval == "waiting" => String::new(),
        (true, Some(why)) => format!(", and by whom is not known: {why}"),
    }
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
