//! What somebody sees who looks at both systems, without ids, moments and the way there: two
//! companies that went different ways to the same end look alike.

use std::collections::BTreeMap;

use serde_json::Value;

use super::bed::Bed;
use super::journal;

/// Every account with its groups, every request with its state and notes, and every mail.
pub fn picture(bed: &Bed) -> Vec<String> {
    let okta = &bed.stage.okta;
    let mut lines: Vec<String> = okta
        .accounts()
        .iter()
        .map(|it| {
            format!("{}: {} {:?} {:?}", it.text("login"), it.status.as_str(), it.groups, it.profile)
        })
        .collect();
    let mails = okta.mails();
    lines.extend(mails.iter().map(|mail| format!("mail to {}: {}", mail.to, mail.kind)));
    lines.extend(requests(bed));
    lines.sort();
    lines
}

fn requests(bed: &Bed) -> Vec<String> {
    let servicenow = &bed.stage.servicenow;
    let numbers = (0..).map(|nth| format!("RITM{:07}", 10_001 + nth));
    let views = numbers.map_while(|number| servicenow.request(&number));
    views
        .map(|it| {
            let states: Vec<&str> = it.tasks.iter().map(|(_, state)| state.as_str()).collect();
            let notes = it.work_notes.len();
            format!("{}: {}, tasks {states:?}, {notes} notes", it.number, it.state)
        })
        .collect()
}

/// What Okta's log says happened, each with how often. What comes to the same when it is done
/// twice is left out.
pub fn events(bed: &Bed) -> Vec<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for event in bed.stage.okta.events() {
        let kind = event["eventType"].as_str().unwrap_or_default();
        if matches!(kind, "user.session.clear" | "user.account.update_profile") {
            continue;
        }
        let targets = event["target"].as_array().into_iter().flatten();
        // A person by login, a group by name.
        let name = |target: &Value| format!("{} {}", target["alternateId"], target["displayName"]);
        let names: Vec<String> = targets.map(name).collect();
        *counts.entry(format!("{kind} {names:?}")).or_default() += 1;
    }
    counts.into_iter().map(|(what, times)| format!("{what}: {times} times")).collect()
}

/// How often each row of ServiceNow was given a state.
pub fn closings(bed: &Bed) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in bed.stage.servicenow.writes() {
        let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
        if call.status < 300 && body.get("state").is_some() {
            *counts.entry(call.path).or_default() += 1;
        }
    }
    counts
}

/// What is in one picture and not in the other.
pub fn differences(right: &[String], found: &[String]) -> Vec<String> {
    let times = |lines: &[String], line: &String| lines.iter().filter(|it| *it == line).count();
    let missing = right.iter().filter(|line| times(found, line) < times(right, line));
    let besides = found.iter().filter(|line| times(found, line) > times(right, line));
    let missing = missing.map(|line| format!("missing: {line}"));
    missing.chain(besides.map(|line| format!("instead: {line}"))).collect()
}

/// What may come twice where the answer about somebody who is hired again was lost: nothing shows
/// whether the mail was sent, and a second one does less harm than none.
pub fn is_a_mail_to_who_came_back(difference: &str) -> bool {
    // Of events it is told how many there were.
    let event = "user.lifecycle.reactivate";
    difference.starts_with("instead: mail to")
        || ["missing: ", "instead: "]
            .iter()
            .any(|way| difference.starts_with(&format!("{way}{event}")))
}

/// The journal, as somebody reads it who has the file only.
pub fn journal(bed: &Bed) -> (Vec<journal::Entry>, Vec<String>) {
    journal::read(&bed.folder.path().join("goldthread.db"))
}
