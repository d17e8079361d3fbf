//! Defects that other programs of this kind were seen to have in the field, each told as a story
//! under its name.

use std::sync::Mutex;
use std::time::Duration;

use goldthread::sim::company::Person;
use goldthread::sim::faults::Fault;
use goldthread::sim::http::Response;
use goldthread::sim::okta::Status;
use goldthread::sync::{self, Scope};
use serde_json::{Value, json};

use super::bed::{Bed, applied, logged};
use super::day::{Day, Program};
use super::picture::{differences, picture};
use super::writes::every_write_survives;

const NOTHING: [String; 0] = [];

/// The list in an answer of either system.
fn list_in(body: &mut Value) -> Option<&mut Vec<Value>> {
    match body {
        Value::Object(body) => body.get_mut("result")?.as_array_mut(),
        Value::Array(list) => Some(list),
        _ => None,
    }
}

/// The answer with only so many rows of its list, and without a way to the others. An honest one
/// still announces them.
fn cut(mut answer: Response, rows: usize, honest: bool) -> Response {
    let Ok(mut body) = serde_json::from_slice(&answer.body) else { return answer };
    let Some(list) = list_in(&mut body) else { return answer };
    list.truncate(rows);
    let came = list.len();
    answer.body = body.to_string().into_bytes();
    answer.headers.retain(|(name, value)| name != "Link" || !value.contains("next"));
    if !honest {
        let announced = answer.headers.iter_mut().filter(|(name, _)| name == "X-Total-Count");
        announced.for_each(|(_, count)| *count = came.to_string());
    }
    answer
}

fn cut_at(rows: usize, honest: bool) -> Fault {
    Fault::altered(move |answer| cut(answer, rows, honest))
}

#[test]
fn empty_list_answered_with_200() {
    for (okta, list) in [
        (false, "/table/sys_user?"),
        (false, "/table/sc_req_item?"),
        (false, "/table/sc_cat_item?"),
        (true, "/api/v1/users?"),
        (true, "/api/v1/groups?"),
        (true, "/groups/00g"),
        (true, "/users/00u"),
    ] {
        for scope in [Scope::Full, Scope::Changes] {
            let mut day = Day::new();
            day.faults(okta).on("GET", list, cut_at(0, false)).always();
            let mut problems = day.survive(&scope);
            assert!(
                day.faults(okta).hits() > 0 || is_left_to_full(list, &scope),
                "{list}, {scope:?}"
            );
            // Without requests there is nothing to do, and nothing is undone either.
            if list.contains("sc_req_item") {
                problems
                    .retain(|it| !it.starts_with("it said all was well") && !it.starts_with('('));
            }
            assert_eq!(problems, NOTHING, "{list}, {scope:?}");
        }
    }
}

/// Nobody needs it for what changed since the last cycle.
fn is_left_to_full(list: &str, scope: &Scope) -> bool {
    *scope == Scope::Changes && matches!(list, "/table/sc_cat_item?")
}

/// The lists of Okta, each by what its addresses have in common.
fn okta_list(bed: &Bed, list: &str) -> Vec<String> {
    let okta = &bed.stage.okta;
    let of_each = |ids: Vec<String>, family: &str| {
        ids.into_iter().map(|id| format!("/{family}/{id}/{list}")).collect()
    };
    match list {
        "accounts" => vec!["/api/v1/users?".to_owned()],
        "groups" => vec!["/api/v1/groups?".to_owned()],
        "roles" => vec!["/roles".to_owned()],
        "users" => of_each(okta.groups().into_iter().map(|(id, _)| id).collect(), "groups"),
        _ => unreachable!("{list} is no list of Okta"),
    }
}

#[test]
fn one_list_of_okta_empty_with_200() {
    // The list of rules is believed: an org may have none.
    for list in ["accounts", "groups", "users", "roles"] {
        let bed = Bed::of(40);
        let okta = &bed.stage.okta;
        let (leaver, admin) = (bed.employee(0), bed.employee(10));
        okta.set_roles(&bed.account(&admin).unwrap().id, &["READ_ONLY_ADMIN"]);
        let fed = bed.okta_group("app-datadog");
        let rule = okta.add_rule("feeder", "department", &leaver.department, &[&fed]);
        let mut program = Program::start(&bed);
        program.sync(&bed, &Scope::Full).unwrap();
        // Both are seen for what they are: a group that a rule feeds, and an administrator.
        bed.access("Add", &bed.employee(1), &["app-datadog"], "");
        bed.leave(&admin);
        program.sync(&bed, &Scope::Full).unwrap();
        assert_eq!(bed.status(&admin), "ACTIVE");

        let asked = [bed.join(&bed.newcomer(0), &["app-jira"]), bed.leave(&leaver)];
        let before = picture(&bed);
        for path in okta_list(&bed, list) {
            okta.faults().on("GET", &path, cut_at(0, false)).always();
        }
        for scope in [Scope::Full, Scope::Changes] {
            // It stops, or goes on with what is certain.
            let _ = program.sync(&bed, &scope);
        }
        assert!(okta.faults().hits() > 0, "{list}: nobody asked for it");
        okta.faults().clear();
        for scope in [Scope::Changes, Scope::Full] {
            program.sync(&bed, &scope).unwrap();
        }
        // Nothing became of anybody else.
        let asked_for = [&leaver.email, &bed.newcomer(0).email, &asked[0].number, &asked[1].number];
        let mut other = differences(&before, &picture(&bed));
        other.retain(|line| !asked_for.iter().any(|name| line.contains(name.as_str())));
        assert_eq!(other, NOTHING, "{list}");
        assert_eq!(okta.excluded(&rule), NOTHING, "{list}: a rule's member was taken out by hand");
        assert_eq!(bed.status(&leaver), "DEPROVISIONED", "{list}");
        assert!(bed.is_in(&bed.newcomer(0), "app-jira"), "{list}");
        assert_eq!(bed.state(&asked[0]), "3", "{list}");
    }
}

/// A company in agreement whose lists are cut from now on: nobody may lose anything by it.
fn harmless_when_cut(people: usize, rows: usize) {
    for honest in [true, false] {
        let bed = Bed::of(people);
        let mut program = Program::start(&bed);
        program.sync(&bed, &Scope::Full).unwrap();
        let (join, leave) = (bed.join(&bed.newcomer(0), &[]), bed.leave(&bed.employee(0)));
        bed.forget_calls();
        for faults in [&*bed.stage.servicenow_faults, bed.stage.okta.faults()] {
            faults.on("GET", "", cut_at(rows, honest)).always();
        }
        let cut = program.sync(&bed, &Scope::Full);
        if honest {
            let report = cut.unwrap();
            let whys = report.actions.iter().filter_map(|it| it.error.as_ref());
            let came = format!("{rows} came");
            assert!(whys.into_iter().any(|why| why.contains(&came)), "{report:#?}");
            assert_eq!(bed.status(&bed.employee(1)), "ACTIVE");
        } else {
            // Nothing in the answers shows it, so fewer people are what shows it.
            assert!(cut.unwrap().quarantined.is_some());
            // A leave was asked for, and does not follow from that read.
            assert_eq!(bed.status(&bed.employee(0)), "DEPROVISIONED");
            assert_eq!(bed.status(&bed.employee(1)), "ACTIVE");
        }
        bed.stage.servicenow_faults.clear();
        bed.stage.okta.faults().clear();
        assert!(!program.sync(&bed, &Scope::Full).unwrap().needs_attention());
        assert_eq!((bed.state(&join), bed.state(&leave)), ("3".to_owned(), "3".to_owned()));
        let active = bed.stage.okta.accounts();
        let disabled = active.iter().filter(|it| it.status != Status::Active);
        assert_eq!(disabled.count(), 2, "the leaver, and the joiner who was not here yet");
    }
}

#[test]
fn list_cut_at_50_rows() {
    harmless_when_cut(90, 50);
}

#[test]
fn list_cut_at_200_rows() {
    harmless_when_cut(260, 200);
}

#[test]
fn list_cut_at_10_000_rows() {
    // As many as a page may have, out of a few more. An instance may cap its count as well.
    for honest in [true, false] {
        let bed = Bed::of(30).configure("[servicenow]\n", "[servicenow]\npage_size = 10000\n");
        for nth in 0..10_020 {
            let (id, name) = (format!("{nth:032x}"), format!("extra.{nth}"));
            bed.stage
                .servicenow
                .insert("sys_user", &[("sys_id", &id), ("user_name", &name), ("active", "true")]);
        }
        let capped = Fault::altered(move |mut answer| {
            for (name, count) in &mut answer.headers {
                if name == "X-Total-Count" && !honest {
                    *count = count.parse::<u64>().unwrap().min(10_000).to_string();
                }
            }
            answer
        });
        bed.stage.servicenow_faults.on("GET", "/table/sys_user?", capped).always();
        bed.sync_full();
        let known: i64 = bed
            .store()
            .query_row("SELECT count(*) FROM people WHERE user_name != ''", [], |row| row.get(0))
            .unwrap();
        let there = bed.stage.servicenow.count("sys_user");
        assert!(usize::try_from(known).unwrap() + 1 >= there, "{known} of {there} were read");
    }
}

#[test]
fn page_emptied_by_access_rules() {
    for (table, scope) in
        [("sys_user", Scope::Full), ("sc_req_item", Scope::Full), ("sc_req_item", Scope::Changes)]
    {
        let mut day = Day::new();
        let mut ids: Vec<String> = match table {
            "sys_user" => {
                day.bed.stage.company.people().iter().map(|it| it.sys_id.clone()).collect()
            }
            _ => day.requests.iter().map(|it| it.sys_id.clone()).collect(),
        };
        ids.sort();
        // The first page comes with a count and without a row.
        day.bed.stage.servicenow.set(|it| it.hidden_rows.extend(ids.into_iter().take(25)));
        let why = day.doubts(&scope);
        assert!(why.contains("hidden"), "{why}");
        day.bed.stage.servicenow.set(|it| it.hidden_rows.clear());
        assert_eq!(day.survive(&scope), NOTHING);
    }
}

#[test]
fn equal_timestamps_at_a_page_edge() {
    // All of them in one second, which several pages share, and which the window begins with.
    let bed = Bed::of(60).configure("[servicenow]\n", "[servicenow]\npage_size = 7\n");
    let joiners: Vec<Person> = (0..6).map(|place| bed.newcomer(place)).collect();
    let joins: Vec<_> = joiners.iter().map(|person| bed.join(person, &[])).collect();
    bed.sync_full();
    bed.pass("1h");
    bed.sync();
    for person in bed.stage.company.people() {
        bed.record(person, &[("last_name", "Nachname")]);
    }
    bed.sync();
    for (person, join) in joiners.iter().zip(&joins) {
        assert_eq!(bed.account(person).unwrap().text("lastName"), "Nachname", "{}", join.number);
    }
    // Somebody is changed in the second that was just read.
    bed.record(&joiners[0], &[("last_name", "Anders")]);
    bed.sync();
    assert_eq!(bed.account(&joiners[0]).unwrap().text("lastName"), "Anders");
}

#[test]
fn case_bearing_ids() {
    let bed = Bed::of(40);
    let okta = &bed.stage.okta;
    // Okta tells ids apart by case, in accounts as in groups.
    okta.add_group_as("00gCASEtold1xYz5d7", "app-upper");
    okta.add_group_as("00gcasetold1xyz5d7", "app-lower");
    let (upper, lower) = (
        bed.hired("Nora", "880001", "nora@example.com"),
        bed.hired("Lou", "880002", "lou@example.com"),
    );
    for (id, person) in [("00uCASEtold1xYz5d7", &upper), ("00ucasetold1xyz5d7", &lower)] {
        okta.add_user_as(id, &json!(person.okta_profile()), Status::Active);
    }
    // ServiceNow keeps an id as somebody's import wrote it.
    let sys_id = bed.stage.servicenow.add_person(&[
        ("sys_id", "A1B2c3D4e5F60718293A4b5C6d7E8f90"),
        ("user_name", "cai"),
        ("email", "cai@example.com"),
        ("first_name", "Cai"),
        ("last_name", "Cased"),
        ("active", "true"),
    ]);
    let cased = Person { sys_id, email: "cai@example.com".to_owned(), ..upper.clone() };
    let rows = [("app-upper", "00gCASEtold1xYz5d7"), ("app-lower", "00gcasetold1xyz5d7")].map(
        |(name, id)| {
            bed.stage.servicenow.insert("u_okta_group", &[("u_name", name), ("u_okta_id", id)])
        },
    );
    let asks = |person: &Person, row: &str| {
        let asked = [("action", "Add"), ("employee", &*person.sys_id), ("groups", row)];
        bed.approved("Okta group access", person, &asked)
    };
    let join = bed.join(&cased, &[]);
    bed.sync();
    let asked = [asks(&upper, &rows[0]), asks(&lower, &rows[1]), asks(&cased, &rows[0])];
    bed.sync();
    assert_eq!(bed.account_of("00uCASEtold1xYz5d7").groups, ["app-upper"]);
    assert_eq!(bed.account_of("00ucasetold1xyz5d7").groups, ["app-lower"]);
    assert!(bed.is_in(&cased, "app-upper"));
    for request in asked.iter().chain([&join]) {
        assert_eq!(bed.state(request), "3");
    }
    bed.leave(&upper);
    bed.sync_full();
    assert_eq!(bed.account_of("00uCASEtold1xYz5d7").status, Status::Deprovisioned);
    assert_eq!(bed.account_of("00ucasetold1xyz5d7").status, Status::Active);
    assert_eq!(bed.account_of("00ucasetold1xyz5d7").groups, ["app-lower"]);
}

#[test]
fn login_renamed() {
    // By HR together with a request, and by hand in Okta between two of its cycles.
    let bed = Bed::of(100);
    let newcomer = bed.newcomer(5);
    bed.join(&newcomer, &[]);
    bed.sync();
    let (id, count) = (bed.account(&newcomer).unwrap().id, bed.stage.okta.user_count());
    bed.record(&newcomer, &[("email", "married@example.com")]);
    let grant = bed.access("Add", &newcomer, &["app-jira"], "");
    bed.sync();
    let account = bed.account_of(&id);
    assert_eq!((account.text("login"), bed.state(&grant).as_str()), ("married@example.com", "3"));
    bed.pass("10m");
    bed.stage.okta.set_profile(&id, &json!({"login": "somebody@example.com"}));
    let leave = bed.leave(&newcomer);
    bed.sync();
    assert_eq!(bed.account_of(&id).status, Status::Deprovisioned);
    assert_eq!(bed.state(&leave), "3");
    assert_eq!(bed.stage.okta.user_count(), count, "nobody got a second account");
}

#[test]
fn two_records_with_one_e_mail() {
    let bed = Bed::of(40);
    let employee = bed.employee(20);
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync();
    let namesake = bed.hired("Double", "880009", &employee.email);
    bed.sync();
    let asked = [
        bed.join(&namesake, &["app-figma"]),
        bed.access("Add", &namesake, &["app-gitlab"], ""),
        bed.leave(&namesake),
    ];
    bed.forget_calls();
    bed.sync();
    bed.sync_full();
    assert_eq!(bed.okta_writes(), NOTHING);
    assert_eq!(bed.status(&employee), "ACTIVE");
    let mut groups = vec!["app-jira".to_owned(), employee.department.clone()];
    groups.sort();
    assert_eq!(bed.groups_of(&employee), groups);
    for request in &asked[..2] {
        assert_ne!(bed.state(request), "3", "nothing of it is done");
    }
    bed.nothing_happens();
}

#[test]
fn group_renamed_in_mid_run() {
    // Between the look at the groups and the write.
    let bed = Bed::of(40);
    let employee = bed.employee(0);
    bed.sync();
    let (okta, jira) = (bed.stage.okta.clone(), bed.okta_group("app-jira"));
    let request = bed.access("Add", &employee, &["app-jira"], "");
    let renamed = Fault::meanwhile({
        let jira = jira.clone();
        move || {
            okta.rename_group(&jira, "tickets");
            okta.create_group("app-jira");
        }
    });
    bed.stage.okta.faults().on("GET", "/groups?", renamed);
    bed.sync();
    bed.sync_full();
    assert!(bed.is_in(&employee, "tickets") && !bed.is_in(&employee, "app-jira"));
    assert_eq!(bed.state(&request), "3");
    assert_eq!(bed.stage.okta.members(&jira).len(), 1);
    bed.nothing_happens();
}

#[test]
fn group_deleted_in_mid_run() {
    // Between the list of groups and that of the members, and between that and the write.
    for (method, path) in
        [("GET", "/api/v1/groups?"), ("GET", "/users?limit"), ("GET", "/users/00u")]
    {
        let bed = Bed::of(40);
        let (employee, colleague) = (bed.employee(0), bed.employee(1));
        bed.access("Add", &colleague, &["app-jira"], "");
        bed.sync();
        let (okta, jira) = (bed.stage.okta.clone(), bed.okta_group("app-jira"));
        let grant = bed.access("Add", &employee, &["app-jira"], "");
        let join = bed.join(&bed.newcomer(0), &["app-figma"]);
        let gone = Fault::meanwhile(move || okta.delete_group(&jira));
        bed.stage.okta.faults().on(method, path, gone);
        for scope in [Scope::Full, Scope::Changes, Scope::Full] {
            bed.try_sync(&scope).unwrap_or_else(|error| panic!("{path}: {error}"));
        }
        assert_ne!(bed.state(&grant), "3", "{path}");
        assert_eq!(bed.comments(&grant).len(), 1, "{path}: {:?}", bed.comments(&grant));
        assert_eq!(bed.state(&join), "3", "{path}: somebody else's business goes on");
        for person in [&employee, &colleague] {
            assert_eq!(bed.groups_of(person), [person.department.as_str()]);
        }
        bed.nothing_happens();
    }
}

#[test]
fn temporary_grant_seen_by_the_next_read_and_made_permanent() {
    for loses_store in [false, true] {
        let bed = Bed::of(40);
        let employee = bed.employee(0);
        bed.sync();
        // Nobody spoke of the group before: with this request it comes under management.
        bed.access("Add", &employee, &["app-jira"], "2026-03-05");
        bed.sync();
        for _ in 0..2 {
            bed.sync_full();
        }
        if loses_store {
            bed.lose_store();
            bed.sync_full();
        }
        bed.access("Add", &bed.employee(1), &["app-jira"], "");
        bed.sync_full();
        assert!(bed.is_in(&employee, "app-jira"));
        bed.at("2026-03-06T00:00:30Z");
        bed.sync();
        assert!(!bed.is_in(&employee, "app-jira"), "store lost: {loses_store}");
        assert!(bed.is_in(&bed.employee(1), "app-jira"));
    }
}

#[test]
fn unknown_attribute_rejecting_the_whole_update() {
    // Nobody can say beforehand which ones there are: the schema may not be read.
    let bed = Bed::of(40)
        .configure("department = \"user", "costCentre = \"user.title\"\ndepartment = \"user");
    let newcomer = bed.newcomer(0);
    bed.stage.okta.faults().on("GET", "/meta/schemas", Fault::Status(403)).always();
    bed.record(&newcomer, &[("title", "")]);
    let join = bed.join(&newcomer, &[]);
    bed.sync();
    assert_eq!(bed.state(&join), "3");
    bed.pass("1m");
    let moved = bed.moved(&newcomer);
    bed.record(&newcomer, &[("title", "4711"), ("last_name", "Nachname")]);
    bed.sync();
    assert_eq!(bed.account(&newcomer).expect("an account").text("lastName"), "Nachname");
    let comments = bed.comments(&moved);
    assert!(comments.len() == 1 && comments[0].contains("costCentre"), "{comments:?}");
    // Nothing of it is sent over and over, to be refused again.
    bed.forget_calls();
    for _ in 0..3 {
        bed.pass("20m");
        bed.sync();
    }
    assert_eq!(bed.okta_writes(), NOTHING);
}

#[test]
fn staged_account_adopted_and_then_activated() {
    let bed = Bed::of(40);
    let person = bed.hired("Nora", "880001", "nora@example.com");
    bed.handmade("880001", "nora@example.com", Status::Staged);
    bed.sync();
    // A request makes the account ours; none of these asks for somebody to come.
    bed.access("Add", &person, &["app-jira"], "");
    bed.moved(&person);
    bed.join_on(&person, "2026-04-01", "");
    bed.sync();
    bed.record(&person, &[("last_name", "Nachname")]);
    bed.sync();
    for _ in 0..3 {
        bed.pass("1h");
        bed.sync_full();
    }
    assert_eq!(bed.status(&person), "STAGED");
    assert!(bed.stage.okta.mails().is_empty());
}

#[test]
fn threshold_reached_exactly() {
    for (leavers, quarantined) in [(4, false), (5, false), (6, true)] {
        let bed = Bed::of(80);
        bed.sync();
        for place in 0..leavers {
            bed.leave(&bed.employee(place));
        }
        assert_eq!(bed.sync().quarantined.is_some(), quarantined, "{leavers} leavers");
        let gone = (0..leavers).filter(|it| bed.status(&bed.employee(*it)) == "DEPROVISIONED");
        assert_eq!(gone.count(), if quarantined { 0 } else { leavers });
    }
}

#[test]
fn threshold_crept_under_over_many_cycles() {
    let bed = Bed::of(80);
    bed.sync();
    let mut gone = 0;
    for place in 0..12 {
        bed.leave(&bed.employee(place));
        bed.pass("1h");
        bed.sync();
        gone = (0..12).filter(|it| bed.status(&bed.employee(*it)) == "DEPROVISIONED").count();
        assert!(gone <= 5, "{gone} in half a day");
    }
    assert_eq!(gone, 5);
}

/// The program is killed as soon as this has happened, in the middle of a call.
fn killed(bed: &Bed, happened: impl Fn() -> bool) {
    bed.pass("1s");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (deps, writers) = bed.at_work();
        let happens = async {
            while !happened() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            ended = sync::run(&deps, &writers, &Scope::Changes) => panic!("it lived: {ended:?}"),
            () = happens => {}
        }
    });
}

#[test]
fn killed_between_call_and_record() {
    for (method, path) in [
        ("POST", "/api/v1/users?activate"),
        ("PUT", "/groups/"),
        ("DELETE", "/groups/"),
        ("DELETE", "/sessions"),
        ("POST", "/lifecycle/deactivate"),
        ("PATCH", "/sc_req_item/"),
    ] {
        let mut day = Day::new();
        day.stop();
        let okta = method != "PATCH";
        let bed = &day.bed;
        let faults = if okta { bed.stage.okta.faults() } else { &*bed.stage.servicenow_faults };
        let before = faults.hits();
        faults.on(method, path, Fault::Silence);
        let carried_out = || {
            let okta = bed.stage.okta.writes();
            let servicenow = bed.stage.servicenow.writes();
            let mut calls = okta
                .iter()
                .map(|it| (&it.method, format!("{}?{}", it.path, it.query)))
                .chain(servicenow.iter().map(|it| (&it.method, it.path.clone())));
            calls.any(|(verb, sent)| verb == method && sent.contains(path))
        };
        killed(bed, || faults.hits() > before && carried_out());
        day.start();
        day.killed = true;
        assert_eq!(day.survive(&Scope::Changes), NOTHING, "{method} {path}");
        let accounts = day.bed.stage.okta.accounts();
        let joiner = accounts.iter().filter(|it| it.text("login") == day.joiner.email);
        assert_eq!(joiner.count(), 1, "{method} {path}");
    }
}

#[test]
fn answer_lost_after_success() {
    every_write_survives(true);
}

#[test]
fn connection_lost_before_the_write_was_carried_out() {
    every_write_survives(false);
}

#[test]
fn read_from_before_a_revocation_believed_after_it() {
    // Whatever was listed before is what the lists go on to say after it.
    let bed = Bed::of(40);
    let (employee, leaver) = (bed.employee(0), bed.employee(1));
    bed.access("Add", &employee, &["app-jira"], "");
    bed.sync_full();
    let jira = bed.okta_group("app-jira");
    let lists = ["/api/v1/users?limit".to_owned(), format!("/groups/{jira}/users")];
    for list in &lists {
        let before = Mutex::new(None::<Response>);
        let stale =
            Fault::altered(move |answer| before.lock().unwrap().get_or_insert(answer).clone());
        bed.stage.okta.faults().on("GET", list, stale).always();
    }
    bed.sync_full();
    let asked = [bed.access("Remove", &employee, &["app-jira"], ""), bed.leave(&leaver)];
    bed.sync();
    assert!(!bed.is_in(&employee, "app-jira"));
    assert_eq!(bed.status(&leaver), "DEPROVISIONED");
    assert!(asked.iter().all(|request| bed.state(request) == "3"));
    bed.nothing_happens();
    bed.stage.okta.faults().clear();
    bed.nothing_happens();
    assert!(!bed.is_in(&employee, "app-jira"));
}

#[test]
fn error_log_without_the_records_name() {
    let bed = Bed::of(40);
    let (joiner, employee) = (bed.newcomer(0), bed.employee(0));
    bed.sync();
    bed.stage.okta.faults().on("POST", "/api/v1/users?activate", Fault::Status(400)).always();
    bed.stage.okta.faults().on("PUT", "/groups/", Fault::Status(500)).always();
    bed.stage.servicenow_faults.on("PATCH", "/sc_req_item", Fault::Status(403)).always();
    let (join, grant) = (bed.join(&joiner, &[]), bed.access("Add", &employee, &["app-jira"], ""));
    let mover = bed.employee(2);
    let done = bed.moved(&mover);
    let broken = bed.employee(3);
    bed.stage.servicenow.update_silently("sys_user", &broken.sys_id, &[("sys_mod_count", "many")]);
    let (report, lines) = logged(|| bed.sync_full());
    assert!(report.needs_attention());
    let complaints: Vec<&String> =
        lines.iter().filter(|it| it.contains("WARN") || it.contains("ERROR")).collect();
    let names = |line: &&&String| {
        [&join.number, &grant.number, &done.number, &broken.sys_id]
            .iter()
            .any(|name| line.contains(name.as_str()))
    };
    let nameless: Vec<_> = complaints.iter().filter(|line| !names(line)).collect();
    assert!(nameless.is_empty(), "{nameless:#?}");
    for (name, also) in [
        (&join.number, joiner.email.as_str()),
        (&grant.number, &employee.email),
        (&done.number, ""),
        (&broken.sys_id, ""),
    ] {
        let told =
            complaints.iter().any(|line| line.contains(name.as_str()) && line.contains(also));
        assert!(told, "nothing is said of {name} {also}: {complaints:#?}");
    }
    assert_eq!(applied(&report), NOTHING);
}
