//! `requests` and `people`: the lists behind the numbers.
//!
//! From the store alone: they work beside a running daemon, and need neither system nor credentials.

use std::fmt::Write as _;

use super::render::{Printed, count, table};
use super::session::{Ended, Place, clock, exit};
use crate::report::{self, PeopleFilter, PeopleList, RequestFilter, RequestList};
use crate::sync::PersonNames;

/// More rows than this are counted, unless they are asked for.
const MOST_ROWS: usize = 30;
const NOTHING_YET: &str =
    "Nothing has been observed yet: run `goldthread sync`, or start the daemon.";

#[derive(Debug, clap::Args)]
#[group(id = "which_requests", multiple = false)]
struct WhichRequests {
    /// Only those that are not carried out, and that no yes would end: who is needed, and why.
    #[arg(long)]
    stuck: bool,
    /// Only those in force that are not done, stuck ones included.
    #[arg(long)]
    pending: bool,
    /// Only those that are done.
    #[arg(long)]
    done: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RequestsArgs {
    #[command(flatten)]
    which: WhichRequests,
    /// No more than this; text shows 30 where it is not given, JSON all.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    printed: Printed,
}

#[derive(Debug, clap::Args)]
#[group(id = "which_people", multiple = false)]
struct WhichPeople {
    /// Only people without an account, and why.
    #[arg(long)]
    without_account: bool,
    /// Only accounts without a person, and those of people outside `servicenow.users`.
    #[arg(long)]
    unmanaged: bool,
    /// Only people of whom it cannot be told which account is theirs, and why.
    #[arg(long)]
    ambiguous: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct PeopleArgs {
    #[command(flatten)]
    which: WhichPeople,
    /// No more than this; text shows 30 where it is not given, JSON all.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    printed: Printed,
}

pub(crate) fn requests(place: &Place, args: &RequestsArgs) -> Ended {
    let filter = match &args.which {
        WhichRequests { stuck: true, .. } => RequestFilter::Stuck,
        WhichRequests { pending: true, .. } => RequestFilter::Pending,
        WhichRequests { done: true, .. } => RequestFilter::Done,
        _ => RequestFilter::All,
    };
    let limit = args.printed.rows(args.limit, MOST_ROWS);
    let list = report::requests(&place.load_offline()?, filter, limit, clock()())?;
    args.printed.print(&list, |list| requests_text(list, filter, &place.command()))?;
    Ok(exit::DONE)
}

pub(crate) fn people(place: &Place, args: &PeopleArgs) -> Ended {
    let filter = match &args.which {
        WhichPeople { without_account: true, .. } => PeopleFilter::WithoutAccount,
        WhichPeople { unmanaged: true, .. } => PeopleFilter::Unmanaged,
        WhichPeople { ambiguous: true, .. } => PeopleFilter::Ambiguous,
        _ => PeopleFilter::All,
    };
    let limit = args.printed.rows(args.limit, MOST_ROWS);
    let list = report::people(&place.load_offline()?, filter, limit, clock()())?;
    args.printed.print(&list, |list| people_text(list, filter, &place.command()))?;
    Ok(exit::DONE)
}

fn requests_text(list: &RequestList, filter: RequestFilter, command: &str) -> String {
    if list.requests.is_empty() && list.left_out == 0 {
        return no_requests(list, filter, command);
    }
    let mut table = table();
    table.set_header(["request", "asks for", "person", "is", "needs", "since", "why"]);
    for listed in &list.requests {
        let request = &listed.request;
        table.add_row([
            &*request.number,
            request.operation.unwrap_or("-"),
            request.person.as_ref().map_or("-", PersonNames::name),
            listed.done,
            request.needs,
            &request.since,
            &request.reason,
        ]);
    }
    let shown = list.requests.len();
    format!("{table}\n\n{}", counted(shown, list.left_out, "request", "requests"))
}

fn no_requests(list: &RequestList, filter: RequestFilter, command: &str) -> String {
    match filter {
        _ if !list.observed => NOTHING_YET.to_owned(),
        RequestFilter::All => "No request of a configured item has been seen.".to_owned(),
        RequestFilter::Stuck => format!(
            "No request is stuck: what is not done is being done, or waits for a yes \
             ({command} hold list)."
        ),
        RequestFilter::Pending => "Every request that is in force is done.".to_owned(),
        RequestFilter::Done => "No request is done yet.".to_owned(),
    }
}

fn people_text(list: &PeopleList, filter: PeopleFilter, command: &str) -> String {
    if list.people.is_empty() && list.left_out == 0 {
        return nobody(list, filter);
    }
    let mut table = table();
    table.set_header(["user name", "login", "record", "account", "is", "why"]);
    for listed in &list.people {
        let record = match (listed.presence, listed.active) {
            (Some("present"), Some(true)) => "active",
            (Some("present"), _) => "inactive",
            (Some(presence), _) => presence,
            (None, _) => "-",
        };
        table.add_row([
            listed.person.user_name.as_deref().unwrap_or("-"),
            listed.person.login.as_deref().unwrap_or("-"),
            record,
            listed.status.as_deref().unwrap_or("-"),
            &listed.kind.replace('_', " "),
            listed.reason.as_deref().unwrap_or_default(),
        ]);
    }
    let (one, more) = match filter {
        PeopleFilter::All | PeopleFilter::Unmanaged => ("person or account", "people and accounts"),
        PeopleFilter::WithoutAccount | PeopleFilter::Ambiguous => ("person", "people"),
    };
    let mut text = format!("{table}\n\n{}", counted(list.people.len(), list.left_out, one, more));
    if filter == PeopleFilter::Ambiguous {
        let _ = write!(text, "\nWhat speaks for and against: {command} explain PERSON");
    }
    text
}

fn nobody(list: &PeopleList, filter: PeopleFilter) -> String {
    match filter {
        _ if !list.observed => NOTHING_YET,
        PeopleFilter::All => "Nobody and no account has been seen.",
        PeopleFilter::WithoutAccount => "Everybody has an account.",
        PeopleFilter::Unmanaged => "Every account that is to be seen is that of a managed person.",
        PeopleFilter::Ambiguous => "Of everybody it can be told which account is theirs.",
    }
    .to_owned()
}

/// How many there are, and how to see the rest.
fn counted(shown: usize, left_out: usize, one: &str, more: &str) -> String {
    let all = count(shown + left_out, one, more);
    if left_out == 0 {
        return all;
    }
    format!("{all}, {shown} of them shown: --limit N shows more, --format json all of them")
}
