//! A company of a thousand, two hundred requests of every kind, and fifty hands in Okta.

use std::collections::{BTreeMap, BTreeSet};

use super::bed::Bed;

/// Requests of all seven operations, approved in the order in which they were placed.
fn busy_company(people: usize, requests: usize) -> (Bed, Vec<String>) {
    let bed = Bed::of(people)
        .configure("[guard]\n", "[guard]\nmax_disabled = 1000\nmax_removed = 1000\n");
    let today = bed.stage.clock.now().date_naive();
    let mut numbers = Vec::new();
    for order in bed.stage.company.random_requests(11, requests, today) {
        bed.pass("2s");
        let ordered = bed.stage.company.place(&order, &bed.stage.servicenow).unwrap();
        for (number, _) in &ordered.items {
            bed.stage.servicenow.approve(number);
            numbers.push(number.clone());
        }
    }
    (bed, numbers)
}

#[test]
fn two_hundred_mixed_requests_converge_and_the_second_sync_writes_nothing() {
    let (bed, numbers) = busy_company(1000, 200);
    let report = bed.sync();
    assert!(report.quarantined.is_none(), "{:?}", report.quarantined);
    let failed: Vec<_> =
        report.actions.iter().filter(|action| action.outcome != "applied").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(report.summary.applied > 100, "{:?}", report.summary);

    bed.forget_calls();
    let second = bed.sync();
    assert!(!second.needs_attention(), "{:#?}", second.actions);
    assert_eq!(bed.writes(), Vec::<String>::new());
    let third = bed.sync_full();
    assert!(!third.needs_attention(), "{:#?}", third.actions);
    assert_eq!(bed.writes(), Vec::<String>::new());
    assert_eq!(bed.differences(), []);

    // Whoever was overtaken by a later request is left open; everybody else is closed, once.
    let mut open = 0;
    for number in &numbers {
        let view = bed.stage.servicenow.request(number).unwrap();
        let closing = view.work_notes.iter().filter(|note| note.contains(":done]")).count();
        if view.state == "3" {
            assert_eq!(closing, 1, "{number}: {:?}", view.work_notes);
        } else {
            open += 1;
            assert_eq!(closing, 0, "{number}");
            assert_eq!(view.comments.len(), 1, "{number}: {:?}", view.comments);
        }
    }
    assert!(open * 10 < numbers.len(), "{open} of {} are open", numbers.len());
}

#[test]
fn fifty_hand_edits_are_found_with_their_requests_and_repaired_and_nobody_else_is_touched() {
    let (bed, _) = busy_company(500, 220);
    bed.sync();
    assert_eq!(bed.differences(), []);

    // People whom a request speaks for, by the login that they have now.
    let report = bed.plan();
    assert_eq!(report.actions, []);
    let mut expected = BTreeMap::new();
    let mut touched = BTreeSet::new();
    let before: BTreeMap<String, _> =
        bed.stage.okta.accounts().into_iter().map(|a| (a.id.clone(), a)).collect();
    let joined = joined_people(&bed);
    assert!(joined.len() >= 10, "{}", joined.len());
    let okta = bed.stage.okta.acting_as("Pat Admin");
    let departments = bed.stage.company.department_groups();
    for (place, (login, number)) in joined.iter().cycle().take(50).enumerate() {
        let account = bed.stage.okta.find(login).unwrap();
        let department = account.text("department").to_owned();
        let fact = match (place + place / joined.len()) % 5 {
            0 => {
                okta.set_profile(&account.id, &serde_json::json!({"department": "Elsewhere"}));
                "profile department".to_owned()
            }
            1 => {
                okta.set_profile(&account.id, &serde_json::json!({"firstName": null}));
                okta.set_profile(&account.id, &serde_json::json!({"firstName": "Somebody"}));
                "profile firstName".to_owned()
            }
            2 => {
                okta.remove_member(&bed.okta_group(&department), &account.id);
                format!("membership {department}")
            }
            3 => {
                let other = departments.iter().find(|name| **name != department).unwrap();
                okta.add_member(&bed.okta_group(other), &account.id);
                format!("membership {other}")
            }
            // Not mapped, so nobody's business here.
            _ => {
                okta.set_profile(&account.id, &serde_json::json!({"title": "Duke"}));
                continue;
            }
        };
        touched.insert(account.id.clone());
        expected.insert((account.id, fact), number.clone());
    }
    assert!(expected.len() >= 35, "{expected:?}");

    let found: BTreeMap<_, _> = bed
        .differences()
        .into_iter()
        .map(|item| {
            assert_eq!((item.cause, item.disposition), ("drift", "apply"), "{item:?}");
            let fact = format!("{} {}", item.fact, item.name.unwrap_or_default());
            ((item.person.okta_id.unwrap(), fact), item.request.unwrap())
        })
        .collect();
    assert_eq!(found, expected);

    bed.forget_calls();
    let repaired = bed.sync_full();
    assert!(!repaired.needs_attention(), "{:#?}", repaired.actions);
    assert_eq!(bed.differences(), []);
    for write in bed.stage.okta.writes() {
        let id = write.path.rsplit('/').next().unwrap().to_owned();
        assert!(touched.contains(&id), "{} {}", write.method, write.path);
        assert!(write.user_agent.contains("RITM"), "{}", write.user_agent);
    }
    for account in bed.stage.okta.accounts() {
        let was = &before[&account.id];
        assert_eq!((&account.status, &account.groups), (&was.status, &was.groups));
    }
}

/// Logins of people whose newest join or move is known, with its number.
fn joined_people(bed: &Bed) -> Vec<(String, String)> {
    let placements = newest_placements(bed);
    let mut people = Vec::new();
    for person in bed.stage.company.people() {
        let Some(account) = bed.account(person) else { continue };
        if account.status.as_str() != "DEPROVISIONED"
            && let Some(number) = placements.get(&person.sys_id)
        {
            people.push((person.email.clone(), number.clone()));
        }
    }
    people
}

fn newest_placements(bed: &Bed) -> BTreeMap<String, String> {
    let items: Vec<_> = ["Okta onboarding", "Bulk onboarding order", "Change of position"]
        .iter()
        .map(|name| bed.stage.company.item_id(name).unwrap())
        .collect();
    let mut newest = BTreeMap::new();
    for at in 1.. {
        let number = format!("RITM{:07}", 10_000 + at);
        let Some(view) = bed.stage.servicenow.request(&number) else { break };
        let item = bed.stage.servicenow.value("sc_req_item", &view.sys_id, "cat_item");
        if items.contains(&item) {
            for id in view.variables.values().flat_map(|value| value.split(',')) {
                newest.insert(id.to_owned(), number.clone());
            }
        }
    }
    newest
}
