use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Instant;

use chrono::NaiveDate;

use super::*;
use crate::sim::clock::Clock;

fn today() -> NaiveDate {
    "2026-11-23".parse().expect("a date")
}

#[test]
fn the_same_seed_gives_the_same_company_and_addresses_are_unique() {
    let company = Company::new(5, 400);
    assert_eq!(company.people(), Company::new(5, 400).people());
    assert_ne!(company.people(), Company::new(6, 400).people());
    let unique =
        |of: fn(&Person) -> String| company.people().iter().map(of).collect::<HashSet<_>>().len();
    assert_eq!(unique(|it| it.email.to_lowercase()), 400);
    assert_eq!(unique(|it| it.user_name.clone()), 400);
    assert_eq!(unique(|it| it.sys_id.clone()), 400);
    assert!(
        company
            .people()
            .iter()
            .all(|it| it.employee_number.starts_with("00") && it.email.is_ascii())
    );
    assert!(company.people().iter().any(|it| it.email.contains('+')));
    assert!(company.people().iter().any(|it| it.last_name.contains('\'')));
}

#[test]
fn random_orders_fit_one_another_and_cover_all_operations() {
    let company = Company::new(5, 60);
    let orders = company.random_requests(9, 600, today());
    assert_eq!(orders, company.random_requests(9, 600, today()));
    let kinds: BTreeSet<Operation> = orders.iter().map(|it| it.operation).collect();
    assert_eq!(kinds.len(), 7);
    let mut here: BTreeMap<&str, bool> =
        company.people().iter().map(|it| (it.sys_id.as_str(), !it.newcomer)).collect();
    for order in &orders {
        for person in &order.people {
            let there = here.get_mut(person.as_str()).expect("a person");
            assert_eq!(*there, order.operation != Operation::Join, "{order:?}");
            *there = order.operation != Operation::Leave;
        }
    }
}

#[test]
fn a_large_company_with_many_orders_loads_in_seconds() {
    let start = Instant::now();
    let company = Company::new(1, 10_000);
    let on = ServiceNow::new(Clock::new(), 1);
    company.load(&on);
    let orders = company.random_requests(1, 3_000, today());
    for order in &orders {
        let ordered = order.place(&on).expect("an order");
        on.approve(&ordered.number);
    }
    assert_eq!(on.count("sys_user"), 10_001);
    assert_eq!(on.count("sc_req_item"), 3_000);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn the_example_configuration_is_toml_and_names_items_that_are_there() {
    let text = example_config("http://127.0.0.1:1", "http://127.0.0.1:2");
    let config: toml::Table = text.parse().expect("toml");
    let on = ServiceNow::new(Clock::new(), 1);
    Company::new(1, 3).load(&on);
    let requests = config["request"].as_array().expect("requests");
    for request in requests {
        let item = request["item"].as_str().expect("a name");
        assert!(on.order(item, "somebody", &[("", "")]).is_some(), "{item}");
    }
    assert_eq!(requests.len(), 8);
    assert!(on.link_group("VPN Users", "00g1"));
}
