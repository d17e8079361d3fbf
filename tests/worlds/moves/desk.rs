//! Requesters, approvers and agents.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use goldthread::sim::company::Operation;

use crate::truth::Ask;
use crate::world::World;

const ACCESS: [&str; 6] =
    ["app-gitlab", "app-salesforce", "app-jira", "app-figma", "app-datadog", "VPN Users"];

/// A form as somebody fills it in.
#[derive(Default)]
struct Form {
    people: Vec<String>,
    groups: Vec<String>,
    starts: Option<NaiveDate>,
    ends: Option<NaiveDate>,
    /// Written into the form instead of a person, a date.
    odd_person: Option<String>,
    odd_date: bool,
}

fn begin(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

fn end(day: NaiveDate) -> DateTime<Utc> {
    begin(day + Days::new(1))
}

/// Somebody orders something.
pub fn order(world: &mut World) -> Option<String> {
    let person = world.dice.pick(&world.people)?;
    let operation = if world.account_of(&person).is_none() && world.dice.chance(0.8) {
        Operation::Join
    } else {
        world.dice.weighted(&[
            (6, Operation::Grant),
            (3, Operation::Revoke),
            (3, Operation::Move),
            (3, Operation::Leave),
            (3, Operation::Suspend),
            (2, Operation::Resume),
            (2, Operation::Join),
        ])
    };
    let mut form = Form { people: vec![person.clone()], ..Form::default() };
    let several = matches!(operation, Operation::Grant | Operation::Revoke | Operation::Join);
    let bulk = several && world.dice.chance(0.2);
    if bulk {
        let other = world.dice.pick(&world.people)?;
        if other != person {
            form.people.push(other);
        }
    }
    if matches!(operation, Operation::Join | Operation::Grant | Operation::Revoke) {
        for _ in 0..=world.dice.below(2) {
            let group = world.dice.pick(&ACCESS)?.to_owned();
            if !form.groups.contains(&group) {
                form.groups.push(group);
            }
        }
        if world.dice.chance(0.04) {
            form.groups.push("app-netsuite".to_owned());
        }
        if operation != Operation::Revoke && world.dice.chance(0.03) {
            form.groups.push("Finance".to_owned());
        }
    }
    let today = world.stage.clock.now().date_naive();
    let dated = !matches!(operation, Operation::Move | Operation::Grant | Operation::Revoke);
    if dated {
        let ahead = world.dice.weighted(&[(5, -2), (3, -1), (3, 0), (2, 1), (1, 3)]);
        form.starts = Some(today + TimeDelta::days(ahead));
    }
    let may_end = !matches!(operation, Operation::Move | Operation::Revoke | Operation::Resume);
    if may_end && operation != Operation::Leave && !bulk && world.dice.chance(0.3) {
        let ahead = world.dice.weighted(&[(5, 1), (4, 2), (2, 5), (1, -3)]);
        form.ends = Some(today + TimeDelta::days(ahead));
    }
    if world.dice.chance(0.02) {
        form.odd_person = world.dice.pick(&["nobody.known".to_owned(), String::new()]);
    }
    form.odd_date = dated && world.dice.chance(0.02);
    place(world, operation, bulk, &form)
}

/// Somebody is to leave as of yesterday, and that is approved.
pub fn order_for(world: &mut World, operation: Operation, person: String) -> Option<String> {
    let day = world.stage.clock.now().date_naive() - Days::new(1);
    let form = Form { people: vec![person], starts: Some(day), ..Form::default() };
    let text = place(world, operation, false, &form)?;
    let number = world.truth.asks.last()?.number.clone();
    world.stage.servicenow.approve(&number);
    Some(format!("{text}, for somebody out of sight"))
}

fn place(world: &mut World, operation: Operation, bulk: bool, form: &Form) -> Option<String> {
    let rows: Vec<String> =
        form.groups.iter().map(|name| world.stage.company.group_id(name)).collect();
    let mut people = form.people.join(",");
    if let Some(odd) = &form.odd_person {
        people.clone_from(odd);
    }
    let starts = match form.starts {
        _ if form.odd_date => "soon".to_owned(),
        day => day.map(|day| day.to_string()).unwrap_or_default(),
    };
    let ends = form.ends.map(|day| day.to_string()).unwrap_or_default();
    let groups = rows.join(",");
    let add = "Add".to_owned();
    let (item, variables) = match operation {
        Operation::Join if bulk => (
            "Bulk onboarding order",
            vec![("employees", people), ("start_date", starts), ("groups", groups)],
        ),
        Operation::Join => (
            "Okta onboarding",
            vec![
                ("employee", people),
                ("start_date", starts),
                ("end_date", ends),
                ("groups", groups),
                ("action", add),
            ],
        ),
        Operation::Leave => ("Okta offboarding", vec![("employee", people), ("last_day", starts)]),
        Operation::Move => ("Change of position", vec![("employee", people)]),
        Operation::Suspend => {
            ("Leave of absence", vec![("employee", people), ("starts", starts), ("ends", ends)])
        }
        Operation::Resume => ("Return from leave", vec![("employee", people), ("starts", starts)]),
        Operation::Grant => (
            "Okta group access",
            vec![("action", add), ("employee", people), ("groups", groups), ("end_date", ends)],
        ),
        Operation::Revoke => (
            "Okta group access",
            vec![("action", "Remove".to_owned()), ("employee", people), ("groups", groups)],
        ),
    };
    let ordered = world.stage.servicenow.order(item, &form.people[0], &variables)?;
    let (starts, ends) = match operation {
        Operation::Leave => (form.starts.map(end), None),
        _ => (form.starts.map(begin), form.ends.map(end)),
    };
    let backwards = starts.zip(ends).is_some_and(|(starts, ends)| ends <= starts);
    let forbidden = |group: &String| group == "app-netsuite" || group == "Finance";
    let sound = form.odd_person.is_none()
        && !form.odd_date
        && !backwards
        && !form.groups.iter().any(forbidden);
    world.truth.asks.push(Ask {
        number: ordered.number.clone(),
        sys_id: ordered.sys_id.clone(),
        operation,
        by_order: matches!(operation, Operation::Grant | Operation::Revoke),
        people: form.people.clone(),
        groups: form.groups.clone(),
        starts,
        ends,
        sound,
        clear: true,
        whom_edited: false,
        closed_by_hand: false,
    });
    let approved = operation == Operation::Resume || world.dice.chance(0.75);
    if approved && operation != Operation::Resume {
        world.stage.servicenow.approve(&ordered.number);
    }
    let stands = if approved { "approved" } else { "waiting" };
    let names: Vec<String> = form.people.iter().map(|it| world.name_of(it)).collect();
    Some(format!("{} ordered, {stands}: {item} for {names:?} {variables:?}", ordered.number))
}

/// The place of an ask that is still there.
fn some_ask(world: &mut World) -> Option<usize> {
    let there = |place: &usize| {
        let number = &world.truth.asks[*place].number;
        world.stage.servicenow.request(number).is_some()
    };
    let places: Vec<usize> = (0..world.truth.asks.len()).filter(there).collect();
    world.dice.pick(&places)
}

/// An approver decides about what waits.
pub fn decide(world: &mut World) -> Option<String> {
    let waiting = |number: &String| {
        world.stage.servicenow.request(number).is_some_and(|view| {
            view.state != "4" && view.approval != "approved" && view.order_approval != "approved"
        })
    };
    let numbers: Vec<String> =
        world.truth.asks.iter().map(|ask| ask.number.clone()).filter(waiting).collect();
    let number = world.dice.pick(&numbers)?;
    if world.dice.chance(0.85) {
        world.stage.servicenow.approve(&number);
        Some(format!("{number} approved"))
    } else {
        world.stage.servicenow.reject(&number);
        Some(format!("{number} rejected"))
    }
}

/// Somebody calls a request off, whatever became of it.
pub fn withdraw(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let number = world.truth.asks[place].number.clone();
    let (how, done) = match world.dice.below(3) {
        0 => ("cancelled", world.stage.servicenow.cancel(&number)),
        1 => ("skipped", world.stage.servicenow.skip(&number)),
        _ => ("rejected", world.stage.servicenow.reject(&number)),
    };
    done.then(|| format!("{number} {how}"))
}

/// An approval starts again.
pub fn reset(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let ask = &mut world.truth.asks[place];
    // What took effect stands, and what did not waits: either is right.
    ask.clear = false;
    let number = ask.number.clone();
    world.stage.servicenow.reset_approval(&number).then(|| format!("{number} to be approved again"))
}

/// A form is edited, maybe after its approval: nothing on the request shows it.
pub fn edit(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let number = world.truth.asks[place].number.clone();
    let day = world.stage.clock.now().date_naive() + TimeDelta::days(1);
    let other = world.dice.pick(&world.people)?;
    let group = world.dice.pick(&ACCESS)?;
    let edits = [
        ("start_date", day.to_string()),
        ("end_date", day.to_string()),
        ("last_day", day.to_string()),
        ("ends", day.to_string()),
        ("groups", world.stage.company.group_id(group)),
        ("employee", other.clone()),
    ];
    let (name, value) = world.dice.pick(&edits)?;
    if !world.stage.servicenow.edit_variable(&number, name, &value) {
        return None;
    }
    world.truth.asks[place].clear = false;
    if name == "employee" {
        world.truth.asks[place].whom_edited = true;
        world.truth.doubts.insert(other);
    }
    Some(format!("{number} edited: {name} = {value}"))
}

/// A request is archived.
pub fn archive(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let ask = &world.truth.asks[place];
    let text = format!("{} archived", ask.number);
    world.stage.servicenow.delete("sc_req_item", &ask.sys_id).then_some(text)
}

/// An agent closes a request by hand.
pub fn close(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let number = world.truth.asks[place].number.clone();
    let state = world.stage.servicenow.request(&number)?.state;
    if state == "3" || state == "4" || state == "7" {
        return None;
    }
    world.truth.asks[place].closed_by_hand = true;
    world.stage.servicenow.close(&number).then(|| format!("{number} closed by hand"))
}

/// Rows come late, or as if from another day.
pub fn back_date(world: &mut World) -> Option<String> {
    let place = some_ask(world)?;
    let hours = 1 + i64::try_from(world.dice.below(50)).unwrap_or(1);
    let at = world.stage.clock.now() - TimeDelta::hours(hours);
    let at = at.format("%Y-%m-%d %H:%M:%S").to_string();
    let ask = &mut world.truth.asks[place];
    let (number, sys_id) = (ask.number.clone(), ask.sys_id.clone());
    // It counts where it was read before, and where it was not.
    ask.clear = false;
    let silently = |changes: &[(&str, &str)]| {
        world.stage.servicenow.update_silently("sc_req_item", &sys_id, changes)
    };
    if world.dice.chance(0.5) {
        silently(&[("opened_at", &at), ("sys_created_on", &at)]);
        Some(format!("{number} as if opened at {at}"))
    } else {
        world.stage.servicenow.approve(&number);
        silently(&[("sys_updated_on", &at)]);
        Some(format!("{number} approved as if at {at}"))
    }
}
