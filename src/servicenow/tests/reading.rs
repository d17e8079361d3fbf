use std::collections::BTreeSet;

use super::{Responder, failure, html, json, person, rows};
use crate::http::Deletion;
use crate::model::{Person, Presence, SysId, Timestamp};
use crate::servicenow::paging::CompleteRead;
use crate::servicenow::{
    Lookup, ServiceNowError, ServiceNowReader, Window, deleted_at, shows_inactive,
};

async fn read(reader: &ServiceNowReader) -> (Result<CompleteRead, String>, Vec<Person>) {
    let mut people = Vec::new();
    let read = reader.people(None, |page| {
        people.extend(page);
        Ok(())
    });
    let read = match read.await {
        Ok(read) => reader.account_for_hidden(None, &read, &[]).await.map(|()| read),
        Err(error) => Err(error),
    };
    (read.map_err(|error| error.to_string()), people)
}

async fn failed_with(replies: Vec<super::Reply>) -> String {
    read(&Responder::with(replies).await.reader()).await.0.unwrap_err()
}

#[tokio::test]
async fn pages_follow_the_key_until_the_announced_rows_are_there() {
    let side = Responder::with(vec![
        rows(3, &[person("a", ""), person("b", "")]),
        rows(1, &[person("C", "")]),
    ])
    .await;
    let (read, people) = read(&side.reader()).await;

    assert_eq!(read.unwrap(), CompleteRead { rows: 3, announced: 3, hidden: 0, set_aside: vec![] });
    let ids: Vec<_> = people.iter().map(|person| person.sys_id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "C"]);
    assert_eq!(people[0].field("department.name"), "Sales");
    assert_eq!((people[0].mod_count, people[0].presence), (3, Presence::Present));
    let calls = side.calls();
    assert!(calls[0].contains("sysparm_query=active=true^ORDERBYsys_id & "), "{}", calls[0]);
    assert!(calls[1].contains("sysparm_query=active=true^sys_id>b^ORDERBYsys_id & "));
    for call in &calls {
        for part in [
            "GET /api/now/table/sys_user ",
            "sysparm_fields=active,department.name,email,name,sys_id,sys_mod_count,sys_updated_on,user_name",
            "sysparm_display_value=false & sysparm_exclude_reference_link=true",
            "sysparm_suppress_pagination_header=true",
            "sysparm_limit=2",
            "accept: application/json",
            "user-agent: goldthread/",
        ] {
            assert!(call.contains(part), "{part} is not in {call}");
        }
        assert!(!call.to_lowercase().contains("cookie"));
    }
}

#[tokio::test]
async fn a_full_last_page_is_followed_by_an_empty_one() {
    let side =
        Responder::with(vec![rows(2, &[person("a", ""), person("b", "")]), rows(0, &[])]).await;
    assert_eq!(read(&side.reader()).await.0.unwrap().rows, 2);
}

#[tokio::test]
async fn a_window_is_part_of_the_query_and_of_the_check() {
    let outside = person("a", "").replace("10:00:00", "12:00:00");
    let side = Responder::with(vec![rows(1, &[outside])]).await;
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let window = Window { from: at("2026-11-23T09:00:00Z"), to: at("2026-11-23T11:00:00Z") };
    let error = side.reader().people(Some(&window), |_| Ok(())).await.unwrap_err();
    assert!(error.to_string().contains("sys_updated_on<2026-11-23 11:00:00"), "{error}");
    let call = &side.calls()[0];
    assert!(
        call.contains("active=true^sys_updated_on>=2026-11-23 09:00:00^sys_updated_on<2026-11-23 11:00:00^ORDERBY"),
        "{call}"
    );
}

#[tokio::test]
async fn rows_hidden_by_access_rules_make_the_read_fail() {
    let short = || rows(2, &[person("a", "")]);
    let error = failed_with(vec![short(), short(), rows(1, &[]), rows(1, &[]), short()]).await;
    assert!(error.contains("2 rows announced, 1 came: rows are hidden from this account"));
    let error = failed_with(vec![rows(5, &[]), rows(5, &[]), rows(5, &[])]).await;
    assert!(error.contains("5 rows announced, 0 came"), "{error}");
    let many = || rows(900, &[person("a", "")]);
    let error = failed_with(vec![many(), many(), rows(899, &[]), rows(899, &[]), many()]).await;
    assert!(error.contains("900 rows announced, 1 came"), "{error}");
}

#[tokio::test]
async fn hidden_rows_are_accounted_for_by_exactly_those_of_people_who_are_known_to_be_hidden() {
    let known = [SysId::parse("b").unwrap()];
    for (counted, shown, believed) in [
        (rows(1, &[]), &known[..], true),
        (rows(0, &[]), &known, false),
        (rows(2, &[]), &known, false),
        (rows(1, &[person("b", "")]), &known, false),
        (rows(1, &[]), &[], false),
    ] {
        let (first, second) = (|| rows(3, &[person("a", "")]), || rows(2, &[person("c", "")]));
        let side = Responder::with(vec![
            first(),
            first(),
            second(),
            second(),
            rows(0, &[]),
            rows(3, &[person("a", "")]),
            counted,
        ])
        .await;
        let reader = side.reader();
        let read = reader.people(None, |_| Ok(())).await.unwrap();
        assert_eq!((read.rows, read.hidden), (2, 1));
        let accounted = reader.account_for_hidden(None, &read, shown).await;
        assert_eq!(accounted.is_ok(), believed, "{accounted:?}");
    }
}

#[tokio::test]
async fn a_row_that_went_between_the_count_and_the_page_is_no_hidden_row() {
    let side =
        Responder::with(vec![rows(2, &[person("a", "")]), rows(1, &[person("a", "")])]).await;
    assert_eq!(read(&side.reader()).await.0.unwrap().rows, 1);
}

#[tokio::test]
async fn a_read_that_ends_early_is_refused_unless_the_rows_have_really_gone() {
    let first = || rows(4, &[person("a", ""), person("b", "")]);
    let error = failed_with(vec![first(), rows(0, &[]), rows(4, &[person("a", "")])]).await;
    assert!(error.contains("4 rows announced, 2 came"), "{error}");

    let side = Responder::with(vec![first(), rows(0, &[]), rows(2, &[person("a", "")])]).await;
    assert_eq!(read(&side.reader()).await.0.unwrap().rows, 2);
}

#[tokio::test]
async fn a_dropped_condition_shows_in_the_rows() {
    let inactive = person("a", "").replace("\"active\":\"true\"", "\"active\":\"false\"");
    let error = failed_with(vec![rows(1, &[inactive])]).await;
    assert!(error.contains("does not fit \"active=true\""), "{error}");

    let page = || rows(3, &[person("a", ""), person("b", "")]);
    let error = failed_with(vec![page(), page()]).await;
    assert!(error.contains("came twice"), "{error}");
}

#[tokio::test]
async fn a_row_that_lacks_what_others_have_is_set_aside_by_itself() {
    let of = |field: &str| format!(r#""department.name":{field},"#);
    let lacking = |instead: &str| person("b", "").replace(&of("\"Sales\""), instead);
    for odd in [
        lacking(""),
        lacking(&of(r#"["Sales"]"#)),
        lacking(&of("{}")),
        lacking(&of(r#"{"display_value":"Sales","link":"l"}"#)),
    ] {
        let side =
            Responder::with(vec![rows(2, &[person("a", ""), odd.clone()]), rows(0, &[])]).await;
        let (end, people) = read(&side.reader()).await;
        let end = end.unwrap();
        assert_eq!((people.len(), end.rows, end.set_aside.len()), (1, 2, 1));
        assert_eq!(end.set_aside[0].sys_id, "b");
        assert!(end.set_aside[0].why.contains("department.name"), "{:?}", end.set_aside);

        // Alone in its window, others of the table tell that the column can be read.
        let side = Responder::with(vec![
            rows(1, std::slice::from_ref(&odd)),
            rows(9, &[odd.clone(), person("a", "")]),
        ])
        .await;
        assert_eq!(read(&side.reader()).await.0.unwrap().set_aside.len(), 1);
    }
    let null = lacking(&of("null"));
    let side = Responder::with(vec![rows(1, &[null])]).await;
    assert_eq!(read(&side.reader()).await.1[0].field("department.name"), "");
}

#[tokio::test]
async fn a_field_that_no_row_has_is_named_and_nothing_is_believed() {
    let lacking = || person("b", "").replace(r#""department.name":"Sales","#, "");
    let error = failed_with(vec![rows(1, &[lacking()]), rows(1, &[lacking()])]).await;
    assert!(error.contains("the field department.name is missing"), "{error}");
}

#[tokio::test]
async fn a_row_without_a_usable_id_is_set_aside_and_the_others_go_on() {
    let odd = person("b b", "");
    let unversioned = person("c", "").replace("\"3\"", "\"many\"");
    let side = Responder::with(vec![
        rows(3, &[person("a(1)", ""), person("a", "")]),
        rows(1, &[unversioned]),
    ])
    .await;
    let (read_end, people) = read(&side.reader()).await;
    let read_end = read_end.unwrap();
    assert_eq!((people.len(), read_end.rows), (1, 3));
    let aside: Vec<_> = read_end.set_aside.iter().map(|row| row.sys_id.as_str()).collect();
    assert_eq!(aside, ["a(1)", "c"]);

    let side = Responder::with(vec![
        rows(3, &[person("a", ""), odd.clone()]),
        rows(2, &[odd.clone(), person("c", "")]),
        rows(0, &[]),
    ])
    .await;
    let (end, people) = read(&side.reader()).await;
    let end = end.unwrap();
    assert_eq!((people.len(), end.rows, end.set_aside.len()), (2, 3, 1));

    let error = failed_with(vec![rows(3, &[odd.clone(), odd])]).await;
    assert!(error.contains("no row of a page has a usable sys_id"), "{error}");
}

#[tokio::test]
async fn an_error_after_some_rows_is_not_believed_and_half_a_page_is_asked_for() {
    let body = format!(
        r#"{{"result":[{},""],"error":{{"message":"Transaction cancelled: maximum execution time exceeded","detail":null}},"status":"failure"}}"#,
        person("a", "")
    );
    let partial = || json(200, &body).with("X-Total-Count", 2);
    let side = Responder::with(vec![
        partial(),
        rows(2, &[person("a", "")]),
        rows(1, &[person("b", "")]),
        rows(0, &[]),
    ])
    .await;
    assert_eq!(read(&side.reader()).await.0.unwrap().rows, 2);
    assert!(side.calls()[1].contains("sysparm_limit=1"));

    let error = failed_with(vec![partial(), partial(), partial()]).await;
    assert!(error.contains("Transaction cancelled"), "{error}");
}

#[tokio::test]
async fn what_is_not_the_api_is_said_in_words() {
    let error = failed_with(vec![html(200), html(200), html(200)]).await;
    assert!(error.contains("login or maintenance/hibernation page instead of the API"), "{error}");
    let later = || json(202, "{}");
    let error = failed_with(vec![later(), later(), later()]).await;
    assert!(error.contains("202"), "{error}");
    let moved = || html(302).with("Location", "https://login.example.com/");
    let error = failed_with(vec![moved(), moved(), moved()]).await;
    assert!(error.contains("redirect"), "{error}");
    let torn = || json(200, r#"{"result":[{"sys_id":"a"#);
    let error = failed_with(vec![torn(), torn(), torn()]).await;
    assert!(error.contains("broken or cut off"), "{error}");
    let error = failed_with(vec![json(200, r#"{"result":[]}"#)]).await;
    assert!(error.contains("X-Total-Count"), "{error}");
}

#[tokio::test]
async fn a_read_survives_a_cut_connection_a_restart_and_a_full_queue() {
    let side = Responder::with(vec![
        rows(1, &[person("a", "")]).cut_off(),
        html(503),
        failure(429, "busy").with("Retry-After", 0),
        failure(429, "busy"),
        rows(1, &[person("a", "")]),
        rows(0, &[]),
    ])
    .await;
    assert_eq!(read(&side.reader()).await.0.unwrap().rows, 1);
}

#[tokio::test]
async fn a_long_wait_is_reported_instead_of_waited_for_and_nothing_more_is_sent() {
    let side = Responder::with(vec![failure(429, "busy").with("Retry-After", 60)]).await;
    let reader = side.reader();
    for _ in 0..2 {
        let error = reader.people(None, |_| Ok(())).await.unwrap_err();
        assert!(matches!(error, ServiceNowError::RateLimited { retry_after: Some(_) }), "{error}");
    }
    assert_eq!(side.calls().len(), 1);
}

#[tokio::test]
async fn a_limit_is_kept_and_reported() {
    let side = Responder::with(vec![
        rows(0, &[]).with("X-RateLimit-Limit", 2).with("Date", "Mon, 23 Nov 2026 10:00:00 GMT"),
    ])
    .await;
    let reader = side.reader();
    read(&reader).await.0.unwrap();
    let error = read(&reader).await.0.unwrap_err();
    assert!(error.contains("rate limit"), "{error}");
    let connection = &reader.connection;
    assert_eq!(connection.budget().limit, Some(2));
    assert_eq!(connection.server_date(), Some("2026-11-23T10:00:00Z".parse().unwrap()));
}

#[tokio::test]
async fn a_failing_taker_ends_the_read() {
    let side = Responder::with(vec![rows(3, &[person("a", ""), person("b", "")])]).await;
    let error = side.reader().people(None, |_| Err("disk full".into())).await.unwrap_err();
    assert!(matches!(error, ServiceNowError::Taker(_)));
}

#[tokio::test]
async fn a_forbidden_field_in_the_query_is_said_with_the_operation() {
    let error = failed_with(vec![failure(403, "Insufficient rights to query records")]).await;
    assert_eq!(
        error,
        "ServiceNow forbids reading people: Insufficient rights to query records (why)"
    );
}

#[tokio::test]
async fn one_person_is_found_or_outside_or_hidden_or_absent() {
    let one = |row: String| json(200, &format!(r#"{{"result":{row}}}"#));
    let inactive = person("a", "").replace("\"active\":\"true\"", "\"active\":\"false\"");
    let lacking = person("a", "").replace(r#""department.name":"Sales","#, "");
    let gone = || failure(404, "No Record found");
    let side = Responder::with(vec![
        one(person("a", "")),
        one(inactive),
        one(lacking),
        gone(),
        rows(1, &[]),
        gone(),
        rows(0, &[]),
        gone(),
        rows(7, &[]),
        one(person("b", "")),
        one(person("b", "")),
        one(person("b", "")),
    ])
    .await;
    let (reader, id) = (side.reader(), SysId::parse("a").unwrap());
    assert!(matches!(reader.person(&id).await.unwrap(), Lookup::Found(_)));
    let outside = reader.person(&id).await.unwrap();
    assert!(matches!(outside, Lookup::Outside(person) if person.presence == Presence::Outside));
    assert!(matches!(reader.person(&id).await.unwrap(), Lookup::Unusable(_)));
    assert_eq!(reader.person(&id).await.unwrap(), Lookup::Hidden);
    assert!(side.calls()[4].contains("sysparm_query=sys_id=a^ORDERBYsys_id"));
    assert_eq!(reader.person(&id).await.unwrap(), Lookup::Absent);
    let dropped = reader.person(&id).await.unwrap_err();
    assert!(dropped.to_string().contains("condition was dropped"), "{dropped}");
    assert!(reader.person(&id).await.is_err(), "another row was taken for the one asked for");
}

#[tokio::test]
async fn the_audit_tells_a_deletion_or_nothing_or_cannot_be_read() {
    let id = SysId::parse("a").unwrap();
    let row = |at: &str| {
        format!(
            r#"{{"sys_id":"d{at}","tablename":"sys_user","documentkey":"a","sys_created_on":"2026-11-23 {at}:00:00"}}"#
        )
    };
    let at = "2026-11-23T11:00:00Z".parse().unwrap();
    let said =
        async |replies| deleted_at(Responder::with(replies).await.reader().connection(), &id).await;
    let shown = said(vec![rows(2, &[row("11"), row("10")])]).await.unwrap();
    assert_eq!(shown, Deletion::Shown(at));
    assert_eq!(said(vec![rows(0, &[])]).await.unwrap(), Deletion::NotShown);
    let page = || html(200);
    for unreadable in [
        vec![rows(1, &[])],
        vec![failure(403, "no")],
        vec![failure(400, "Invalid table sys_audit_delete")],
        vec![page(), page(), page()],
        vec![rows(1, &[row("11").replace("sys_user", "sys_user_group")])],
        vec![rows(1, &[row("11").replace(r#""tablename":"sys_user","#, "")])],
        vec![rows(1, &[row("eleven")])],
    ] {
        assert!(matches!(said(unreadable).await.unwrap(), Deletion::Unreadable(_)));
    }
    assert!(said(vec![]).await.is_err(), "who cannot be reached says nothing");
}

#[tokio::test]
async fn inactive_people_are_shown_only_where_one_came() {
    for (reply, expected) in [
        (rows(3, &[r#"{"sys_id":"a","active":"false"}"#.into()]), true),
        (rows(3, &[r#"{"sys_id":"a","active":"true"}"#.into()]), false),
        (rows(3, &[]), false),
        (rows(0, &[]), false),
    ] {
        let side = Responder::with(vec![reply]).await;
        assert_eq!(shows_inactive(side.reader().connection()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_404_that_is_not_the_apis_does_not_make_anybody_absent() {
    let id = SysId::parse("a").unwrap();
    for reply in [|| html(404), || failure(404, "Requested URI does not represent any resource")] {
        let side = Responder::with(vec![reply(), reply(), reply()]).await;
        assert!(side.reader().person(&id).await.is_err());
    }
}

#[tokio::test]
async fn a_person_is_found_by_login_or_address_whatever_the_case() {
    let side = Responder::with(vec![rows(2, &[person("a", ""), person("b", "")])]).await;
    let found = side.reader().people_by(" UA@Example.com ").await.unwrap();
    assert_eq!(found.found().len(), 1);
    assert!(side.calls()[0].contains(
        "sysparm_query=active=true^user_name=UA@Example.com^ORemail=UA@Example.com^ORDERBYsys_id"
    ));
}

#[tokio::test]
async fn nobody_is_looked_up_by_a_text_that_would_change_the_query() {
    let side = Responder::with(vec![]).await;
    let long = "x".repeat(300);
    let texts =
        ["", "x^NQactive=true", "javascript:gs.getUserID()", "a\nb", "a\u{85}b", "xRLQUERYx"];
    for text in texts.into_iter().chain([long.as_str()]) {
        let found = side.reader().people_by(text).await.unwrap();
        let why = found.unusable().unwrap();
        assert!(text.is_empty() || !why.contains(text), "{why}");
    }
    assert!(side.calls().is_empty());
}

#[tokio::test]
async fn a_text_that_fits_a_row_that_is_hidden_or_odd_names_nobody_and_not_no_one() {
    let lacking = person("a", "").replace(r#""department.name":"Sales","#, "");
    for reply in [rows(2, &[person("a", "")]), rows(1, &[lacking])] {
        let side = Responder::with(vec![reply]).await;
        assert!(side.reader().people_by("ua").await.unwrap().unusable().is_some());
    }
}

#[tokio::test]
async fn a_look_up_that_is_refused_is_about_the_object() {
    let page = || html(200);
    for replies in [
        vec![failure(403, "no")],
        vec![failure(400, "no")],
        vec![html(403)],
        vec![page(), page(), page()],
    ] {
        let side = Responder::with(replies).await;
        let error = side.reader().people_by("ua").await.unwrap_err();
        assert!(error.is_about_object(), "{error}");
    }
}

#[tokio::test]
async fn a_look_up_leaves_out_what_is_not_there_and_refuses_what_was_not_asked_for() {
    let row = |id: &str| format!(r#"{{"sys_id":"{id}","u_okta_id":"00g{id}"}}"#);
    let side = Responder::with(vec![rows(1, &[row("a")]), rows(1, &[row("z")])]).await;
    let ids: BTreeSet<_> = ["a", "b"].map(|id| SysId::parse(id).unwrap()).into();
    let reader = side.reader();
    let found = reader.lookup("u_okta_group", "u_okta_id", &ids).await.unwrap();
    assert_eq!(found.found.into_iter().collect::<Vec<_>>(), [("a".into(), "00ga".into())]);
    assert!(side.calls()[0].contains("sysparm_query=sys_idINa,b^ORDERBYsys_id"));
    assert!(reader.lookup("u_okta_group", "u_okta_id", &ids).await.is_err());
    assert!(reader.lookup("x/../y", "u_okta_id", &ids).await.is_err());
}

#[tokio::test]
async fn a_look_up_with_fewer_rows_than_announced_asks_for_each_and_leaves_out_what_is_hidden() {
    let row = |id: &str| format!(r#"{{"sys_id":"{id}","u_okta_id":"00g{id}"}}"#);
    let cut = || rows(2, &[row("a")]);
    let one = |id: &str| json(200, &format!(r#"{{"result":{}}}"#, row(id)));
    let hidden = failure(404, "No Record found");
    let replies =
        vec![cut(), cut(), cut(), one("a"), one("b"), cut(), cut(), cut(), one("a"), hidden];
    let side = Responder::with(replies).await;
    let ids: BTreeSet<_> = ["a", "b"].map(|id| SysId::parse(id).unwrap()).into();
    let reader = side.reader();
    assert_eq!(reader.lookup("u_okta_group", "u_okta_id", &ids).await.unwrap().found.len(), 2);
    let found = reader.lookup("u_okta_group", "u_okta_id", &ids).await.unwrap();
    assert_eq!(found.found.into_keys().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn a_row_of_a_look_up_that_is_refused_or_odd_concerns_itself() {
    let row = |id: &str| format!(r#"{{"sys_id":"{id}","u_okta_id":"00g{id}"}}"#);
    let odd = || r#"{"sys_id":"b","u_okta_id":["00gb"]}"#.to_owned();
    let one = |row: String| json(200, &format!(r#"{{"result":{row}}}"#));
    let ids: BTreeSet<_> = ["a", "b"].map(|id| SysId::parse(id).unwrap()).into();
    for second in [one(odd()), failure(403, "no"), failure(400, "no")] {
        let list = rows(2, &[row("a"), odd()]);
        let side = Responder::with(vec![list, rows(0, &[]), one(row("a")), second]).await;
        let said = side.reader().lookup("u_okta_group", "u_okta_id", &ids).await.unwrap();
        assert_eq!(said.found.into_keys().collect::<Vec<_>>(), ["a"]);
        assert_eq!(said.unusable.into_keys().collect::<Vec<_>>(), ["b"]);
    }
}

#[tokio::test]
async fn a_filter_whose_field_is_dropped_is_found_at_the_start() {
    let side = Responder::with(vec![rows(0, &[])]).await;
    side.reader().probe_filter().await.unwrap();
    assert!(side.calls()[0].contains("sysparm_query=activeISEMPTY^activeISNOTEMPTY"));

    let side = Responder::with(vec![rows(7, &[person("a", "")])]).await;
    let error = side.reader().probe_filter().await.unwrap_err().to_string();
    assert!(error.contains("cannot be filtered by: active"), "{error}");
}

#[tokio::test]
async fn the_clock_of_whatever_answers_instead_of_the_instance_is_not_believed() {
    let later = "Wed, 25 Nov 2026 10:00:00 GMT";
    let side = Responder::with(vec![
        html(200).with("Date", later),
        failure(503, "down").with("Date", later),
        rows(0, &[]).with("Date", "Mon, 23 Nov 2026 10:00:00 GMT"),
        failure(503, "down").with("Date", later),
    ])
    .await;
    let connection = side.connection(|_| ());
    let reader = ServiceNowReader::new(connection.clone());
    reader.people(None, |_| Ok(())).await.unwrap();
    assert!(reader.people(None, |_| Ok(())).await.is_err());
    assert_eq!(connection.server_date(), Some("2026-11-23T10:00:00Z".parse().unwrap()));
}
