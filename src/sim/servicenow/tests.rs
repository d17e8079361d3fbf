use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;

fn instance() -> (ServiceNow, Clock) {
    let clock = Clock::frozen("2026-11-23T10:20:30Z".parse().expect("a time"));
    (ServiceNow::new(clock.clone(), 7), clock)
}

fn call(on: &ServiceNow, method: &str, target: &str, body: Option<&Value>) -> Response {
    let url = url::Url::parse(&format!("http://sim{target}")).expect("a url");
    let request = Request {
        method: method.to_owned(),
        path: url.path().to_owned(),
        segments: url.path().split('/').filter(|it| !it.is_empty()).map(str::to_owned).collect(),
        query: url.query_pairs().into_owned().collect(),
        headers: [
            ("authorization", "Basic c3ZjLWdvbGR0aHJlYWQ6c2VydmljZW5vdy1wYXNzd29yZA=="),
            ("accept", "application/json"),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        body: body.map_or_else(Vec::new, |it| it.to_string().into_bytes()),
        raw_query: url.query().unwrap_or_default().to_owned(),
    };
    on.handle(&request, "http://sim")
}

fn body(response: &Response) -> Value {
    serde_json::from_slice(&response.body).expect("json")
}

fn get(on: &ServiceNow, target: &str) -> Value {
    let response = call(on, "GET", target, None);
    assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
    body(&response)["result"].clone()
}

/// User names that a query gives, sorted.
fn names(on: &ServiceNow, query: &str) -> Vec<String> {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let rows = get(
        on,
        &format!(
            "/api/now/table/sys_user?sysparm_query=web_service_access_only=false%5E{query}&sysparm_fields=user_name"
        ),
    );
    let mut names: Vec<String> = rows
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| row["user_name"].as_str().unwrap_or_default().to_owned())
        .collect();
    names.sort();
    names
}

/// Ann leads Bob and Cy; Dee left.
fn people() -> (ServiceNow, Clock) {
    let (on, clock) = instance();
    let sales = on.insert("cmn_department", &[("name", "Sales")]);
    let ann = on.add_person(&[
        ("user_name", "ann"),
        ("first_name", "Ann"),
        ("last_name", "O^Neil"),
        ("email", "ann@example.com"),
        ("department", &sales),
    ]);
    on.add_person(&[
        ("user_name", "bob"),
        ("first_name", "Bob"),
        ("manager", &ann),
        ("employee_number", "007"),
        ("failed_attempts", "9"),
        ("email", "bob@example.com"),
    ]);
    clock.advance(Duration::from_mins(1));
    on.add_person(&[
        ("user_name", "cy"),
        ("first_name", "Cy"),
        ("manager", &ann),
        ("department", &sales),
        ("failed_attempts", "10"),
        ("email", "cy@example.com"),
    ]);
    on.add_person(&[("user_name", "dee"), ("active", "false")]);
    (on, clock)
}

#[test]
fn each_operator_finds_what_it_should() {
    let (on, _) = people();
    for (query, wanted) in [
        ("user_name=ann", &["ann"][..]),
        ("user_name=ANN", &["ann"]),
        ("user_nameINann,bob", &["ann", "bob"]),
        ("user_nameNOT INann,bob", &["cy", "dee"]),
        ("user_name!=ann", &["bob", "cy", "dee"]),
        ("emailSTARTSWITHb", &["bob"]),
        ("email%cy@example.com", &["cy"]),
        ("email*example", &["ann", "bob", "cy"]),
        ("user_nameNOT LIKEn", &["bob", "cy", "dee"]),
        ("managerISEMPTY", &["ann", "dee"]),
        ("managerISNOTEMPTY", &["bob", "cy"]),
        ("managerSTARTSWITHann", &["bob", "cy"]),
        ("manager.emailENDSWITHann@example.com", &["bob", "cy"]),
        ("department.name=Sales", &["ann", "cy"]),
        ("failed_attempts>9", &["cy"]),
        ("failed_attemptsBETWEEN9@10", &["bob", "cy"]),
        ("sys_updated_on>2026-11-23 10:20:30", &["cy", "dee"]),
        ("sys_updated_on>=2026-11-23 10:20:30^sys_updated_on<2026-11-23 10:21:30", &["ann", "bob"]),
        ("last_name=O^^Neil", &["ann"]),
        ("first_nameSAMEASname^nameISNOTEMPTY", &["bob", "cy"]),
        ("user_nameANYTHING", &["ann", "bob", "cy", "dee"]),
    ] {
        assert_eq!(names(&on, query), wanted, "{query}");
    }
}

#[test]
fn or_binds_to_the_condition_before_it_and_nq_begins_anew() {
    let (on, _) = people();
    assert_eq!(
        names(&on, "user_name=ann^ORuser_name=cy^department.name=Sales^managerISNOTEMPTY"),
        ["cy"]
    );
    assert_eq!(names(&on, "user_name=ann^NQuser_name=bob^active=true"), ["ann", "bob"]);
    assert_eq!(names(&on, "user_name=ann^NQuser_name=bob^active=false"), ["ann"]);
    assert_eq!(names(&on, "user_name=ann^ORDERBYuser_name"), ["ann"]);
}

#[test]
fn a_query_on_an_unknown_field_is_dropped_or_gives_nothing_or_403_as_the_instance_is_set() {
    let (on, _) = people();
    assert_eq!(names(&on, "sys_update_on>2999-01-01 00:00:00").len(), 4);
    assert_eq!(names(&on, "sys_updated_on>tomorrow").len(), 4);
    assert_eq!(names(&on, "user_name=ann^bad=1^ORworse=2"), ["ann"]);
    on.set(|it| it.invalid_query = InvalidQuery::NoRows);
    assert_eq!(names(&on, "user_name=ann^bad=1").len(), 0);
    on.set(|it| it.invalid_query = InvalidQuery::Forbidden403);
    let refused = call(&on, "GET", "/api/now/table/sys_user?sysparm_query=bad=1", None);
    assert_eq!(refused.status, 403);
    assert_eq!(body(&refused)["error"]["message"], "Insufficient rights to query records");
}

#[test]
fn a_hidden_field_is_left_out_of_rows_and_refused_in_queries() {
    let (on, _) = people();
    on.set(|it| {
        it.hidden_fields.insert("sys_user.email".to_owned());
        it.unqueryable_fields.insert("sys_user.sys_updated_on".to_owned());
    });
    let rows = get(
        &on,
        "/api/now/table/sys_user?sysparm_query=user_name=bob&sysparm_fields=user_name,email,manager.email,nothing,manager.name",
    );
    assert_eq!(rows, json!([{"user_name": "bob", "manager.name": "Ann O^Neil"}]));
    for query in
        ["email=x", "manager.email=x", "sys_updated_on>2020-01-01", "ORDERBYsys_updated_on"]
    {
        let refused =
            call(&on, "GET", &format!("/api/now/table/sys_user?sysparm_query={query}"), None);
        assert_eq!(refused.status, 403, "{query}");
    }
}

#[test]
fn rows_are_hidden_after_the_limit_and_the_count_does_not_know() {
    let (on, _) = people();
    let hidden: Vec<String> = ["ann", "bob"].iter().filter_map(|it| on.person(it)).collect();
    on.set(|it| it.hidden_rows = hidden.iter().cloned().collect());
    let page = call(
        &on,
        "GET",
        "/api/now/table/sys_user?sysparm_query=web_service_access_only=false%5EORDERBYuser_name&sysparm_limit=2",
        None,
    );
    assert_eq!(body(&page)["result"], json!([]));
    assert_eq!(page.header("X-Total-Count"), Some("4"));
    let one = call(&on, "GET", &format!("/api/now/table/sys_user/{}", hidden[0]), None);
    assert_eq!(one.status, 404);
    assert_eq!(body(&one)["error"]["message"], "No Record found");
    let through =
        get(&on, "/api/now/table/sys_user?sysparm_query=user_name=cy&sysparm_fields=manager.email");
    assert_eq!(through, json!([{"manager.email": ""}]));
    on.set(|it| it.hide_inactive_users = true);
    let all = call(
        &on,
        "GET",
        "/api/now/table/sys_user?sysparm_query=web_service_access_only=false",
        None,
    );
    assert_eq!(all.header("X-Total-Count"), Some("3"));
}

#[test]
fn pages_by_key_give_each_row_once_and_pages_without_an_order_need_not() {
    let (on, _) = instance();
    for at in 0..50 {
        on.add_person(&[("user_name", &format!("p{at}"))]);
    }
    let mut seen = Vec::new();
    let mut last = String::new();
    loop {
        let query = if last.is_empty() { String::new() } else { format!("sys_id%3E{last}%5E") };
        let rows = get(
            &on,
            &format!(
                "/api/now/table/sys_user?sysparm_query={query}ORDERBYsys_id&sysparm_limit=7&sysparm_fields=sys_id"
            ),
        );
        let rows = rows.as_array().expect("a list").clone();
        let Some(row) = rows.last() else { break };
        row["sys_id"].as_str().unwrap_or_default().clone_into(&mut last);
        seen.extend(rows);
    }
    assert_eq!(seen.len(), 51);
    let page = |offset: usize| {
        get(
            &on,
            &format!(
                "/api/now/table/sys_user?sysparm_limit=20&sysparm_offset={offset}&sysparm_fields=sys_id"
            ),
        )
    };
    assert_ne!(page(0), page(0));
}

#[test]
fn values_have_the_shapes_of_the_platform() {
    let (on, _) = people();
    let ann = on.person("ann").expect("ann");
    let row = |more: &str| {
        get(&on, &format!("/api/now/table/sys_user?sysparm_query=user_name=bob&sysparm_fields=manager,active,department,sys_domain,sys_updated_on{more}"))[0].clone()
    };
    assert_eq!(
        row(""),
        json!({
            "manager": {"link": format!("http://sim/api/now/table/sys_user/{ann}"), "value": ann},
            "active": "true", "department": "", "sys_updated_on": "2026-11-23 10:20:30",
            "sys_domain": {"link": "http://sim/api/now/table/sys_user_group/global", "value": "global"}
        })
    );
    assert_eq!(row("&sysparm_exclude_reference_link=true")["manager"], json!(ann));
    let all = row("&sysparm_display_value=all");
    assert_eq!(all["manager"]["display_value"], "Ann O^Neil");
    assert_eq!(
        all["sys_updated_on"],
        json!({"display_value": "23.11.2026 11:20:30", "value": "2026-11-23 10:20:30"})
    );
    assert_eq!(row("&sysparm_display_value=true")["manager"].get("value"), None);
}

#[test]
fn an_empty_list_is_404_in_v1_only_and_an_unknown_table_is_400() {
    let (on, _) = instance();
    let status = |path: &str| call(&on, "GET", path, None).status;
    assert_eq!(status("/api/now/v1/table/sc_task"), 404);
    assert_eq!(status("/api/now/v2/table/sc_task"), 200);
    assert_eq!(status("/api/now/table/sc_task"), 200);
    assert_eq!(status("/api/now/table/nothing"), 400);
    assert_eq!(status("/api/now/nothing"), 400);
    assert_eq!(
        body(&call(&on, "GET", "/api/now/table/nothing", None))["error"],
        json!({"message": "Invalid table nothing", "detail": null})
    );
}

#[test]
fn links_to_other_pages_have_commas_in_them() {
    let (on, _) = people();
    let page = call(
        &on,
        "GET",
        "/api/now/table/sys_user?sysparm_fields=sys_id,user_name&sysparm_limit=2&sysparm_offset=2",
        None,
    );
    let link = page.header("Link").expect("links");
    assert!(link.contains("sysparm_fields=sys_id,user_name&"), "{link}");
    assert_eq!(link.matches("rel=").count(), 4);
    assert!(link.ends_with("sysparm_offset=4>;rel=\"last\""), "{link}");
    let whole = call(&on, "GET", "/api/now/table/sys_user?sysparm_no_count=true", None);
    assert_eq!((whole.header("Link"), whole.header("X-Total-Count")), (None, None));
}

#[test]
fn aggregates_count_and_compare() {
    let (on, _) = people();
    let stats = get(
        &on,
        "/api/now/stats/sys_user?sysparm_count=true&sysparm_query=web_service_access_only=false&sysparm_max_fields=sys_updated_on,failed_attempts",
    );
    assert_eq!(
        stats,
        json!({"stats": {"count": "4", "max": {"sys_updated_on": "2026-11-23 10:21:30", "failed_attempts": "10"}}})
    );
}

fn laptop(on: &ServiceNow, approval: ApprovalBy, task: bool) -> String {
    on.add_item(&Item {
        name: "Laptop".to_owned(),
        approval,
        task,
        variables: vec![
            Variable::new("", 11),
            Variable::new("model", 6).mandatory(),
            Variable::new("owner", 8).of_table("sys_user"),
        ],
        ..Item::default()
    })
}

#[test]
fn an_order_over_the_api_tells_its_own_number_and_the_item_comes_before_it() {
    let (on, clock) = people();
    let item = laptop(&on, ApprovalBy::Item, false);
    let (ann, bob, cy) = (
        on.person("ann").expect("ann"),
        on.person("bob").expect("bob"),
        on.person("cy").expect("cy"),
    );
    let path = format!("/api/sn_sc/servicecatalog/items/{item}/order_now");
    let mut order = json!({"sysparm_requested_for": bob, "sysparm_also_request_for": cy, "variables": {"model": "X", "owner": ann}});
    assert_eq!(call(&on, "POST", &path, Some(&order)).status, 400);
    order["sysparm_quantity"] = json!(1);
    let answer = body(&call(&on, "POST", &path, Some(&order)))["result"].clone();
    assert_eq!(
        (answer["number"].as_str(), answer["table"].as_str()),
        (Some("REQ0010001"), Some("sc_request"))
    );
    let id = answer["request_id"].as_str().expect("an id").to_owned();
    let items = || {
        get(
            &on,
            &format!(
                "/api/now/table/sc_req_item?sysparm_query=request={id}%5EORDERBYnumber&sysparm_fields=number,request.number,approval,variables.model,variables.owner,variables.none,requested_for.user_name"
            ),
        )
    };
    assert_eq!(
        items()[0],
        json!({"number": "RITM0010001", "request.number": "", "approval": "requested", "variables.model": "X", "variables.owner": ann, "requested_for.user_name": "bob"})
    );
    assert_eq!(call(&on, "GET", &format!("/api/now/table/sc_request/{id}"), None).status, 404);
    clock.advance(Duration::from_secs(1));
    assert_eq!(items()[1]["request.number"], "REQ0010001");
    let approvals = || {
        get(
            &on,
            "/api/now/table/sysapproval_approver?sysparm_query=state=requested%5EORDERBYsysapproval&sysparm_fields=sys_id,approver.user_name,sysapproval.number",
        )
    };
    assert_eq!(approvals(), json!([]));
    clock.advance(Duration::from_secs(1));
    assert_eq!(approvals().as_array().map(Vec::len), Some(2));
    for approval in approvals().as_array().expect("a list") {
        assert_eq!(approval["approver.user_name"], "ann");
        let path = format!(
            "/api/now/table/sysapproval_approver/{}",
            approval["sys_id"].as_str().unwrap_or_default()
        );
        let answer = call(&on, "PATCH", &path, Some(&json!({"state": "approved"})));
        assert_eq!(body(&answer)["result"]["state"], "approved");
    }
    let view = on.request("RITM0010001").expect("a request");
    assert_eq!((view.approval.as_str(), view.state.as_str()), ("approved", "2"));
    assert_eq!(
        (view.order_approval.as_str(), view.request_state.as_str()),
        ("approved", "in_process")
    );
}

#[test]
fn an_approval_of_the_order_leaves_the_items_own_approval_alone() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Order, false);
    let bob = on.person("bob").expect("bob");
    let ordered = on.order("Laptop", &bob, &[("model", "X")]).expect("an order");
    assert_eq!(on.request(&ordered.number).map(|it| it.approval), Some("not requested".to_owned()));
    assert!(on.approve(&ordered.number));
    let view = on.request(&ordered.number).expect("a request");
    assert_eq!(
        (view.approval.as_str(), view.order_approval.as_str(), view.state.as_str()),
        ("not requested", "approved", "2")
    );
    let other = on.order("Laptop", &bob, &[("model", "Y")]).expect("an order");
    assert!(on.reject(&other.order));
    let view = on.request(&other.number).expect("a request");
    assert_eq!(
        (view.order_approval.as_str(), view.request_state.as_str(), view.active),
        ("rejected", "closed_rejected", false)
    );
}

/// Approver, state, who wrote it, and group of each row about a task, in the order of the approvers.
fn approvals(on: &ServiceNow, task: &str) -> Vec<[String; 4]> {
    let fields = "approver.user_name,state,sys_updated_by,group.assignment_group.name";
    let rows = get(
        on,
        &format!(
            "/api/now/table/sysapproval_approver?sysparm_query=sysapproval={task}%5EORdocument_id={task}%5EORDERBYapprover.user_name&sysparm_fields={fields}"
        ),
    );
    let row = |row: &Value| {
        let mut names = fields.split(',');
        std::array::from_fn(|_| {
            row[names.next().expect("a field")].as_str().unwrap_or("").to_owned()
        })
    };
    rows.as_array().expect("a list").iter().map(row).collect()
}

#[test]
fn whoever_approves_stands_in_a_row_and_the_others_need_not_answer() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Item, false);
    let [ann, bob] = ["ann", "bob"].map(|it| on.person(it).expect("a person"));
    let order = || on.order("Laptop", &bob, &[("model", "X")]).expect("an order");

    let one = order();
    assert!(on.approve_as(&one.number, &bob));
    assert_eq!(
        approvals(&on, &one.sys_id),
        [["ann", "not_required", "system", ""], ["bob", "approved", "bob", ""]]
    );
    assert_eq!(on.request(&one.number).map(|it| it.approval), Some("approved".to_owned()));

    let delegated = order();
    assert!(on.approve_for(&delegated.number, &ann, "deputy"));
    assert_eq!(approvals(&on, &delegated.sys_id), [["ann", "approved", "deputy", ""]]);

    let by_script = order();
    assert!(on.approve_without_approver(&by_script.number));
    assert_eq!(approvals(&on, &by_script.sys_id), [["ann", "not_required", "system", ""]]);

    let by_hand = order();
    assert!(on.edit(&by_hand.number, &[("approval", "approved")]));
    assert_eq!(approvals(&on, &by_hand.sys_id), [["ann", "not_required", "system", ""]]);

    let called_off = order();
    assert!(on.cancel(&called_off.number));
    assert_eq!(approvals(&on, &called_off.sys_id), [["ann", "not_required", "system", ""]]);
}

#[test]
fn of_a_group_that_is_asked_one_member_answers_for_all() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Order, false);
    let [ann, bob] = ["ann", "bob"].map(|it| on.person(it).expect("a person"));
    let ordered = on.order("Laptop", &bob, &[("model", "X")]).expect("an order");
    let group = on.ask_group(&ordered.number, "Board", &[&ann, &bob]).expect("a group");
    assert_eq!(on.value("sysapproval_group", &group, "parent"), ordered.order_id);
    assert!(on.approve_as(&ordered.number, &bob));
    let rows = approvals(&on, &ordered.order_id);
    assert_eq!(rows.len(), 3, "ann as the manager, and both as members: {rows:?}");
    assert!(rows.contains(&["bob", "approved", "bob", "Board"].map(str::to_owned)), "{rows:?}");
    assert_eq!(on.value("sysapproval_group", &group, "approval"), "approved");
    assert_eq!(
        on.request(&ordered.number).map(|it| it.order_approval),
        Some("approved".to_owned())
    );
}

#[test]
fn the_approvers_may_be_hidden_or_refused_as_a_whole() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Item, false);
    let bob = on.person("bob").expect("bob");
    let ordered = on.order("Laptop", &bob, &[("model", "X")]).expect("an order");
    assert!(on.approve(&ordered.number));
    let list = || call(&on, "GET", "/api/now/table/sysapproval_approver", None);
    let hide = |tables: &[&str]| tables.iter().map(|it| (*it).to_owned()).collect();
    on.set(|it| it.hidden_tables = hide(&["sysapproval_approver"]));
    assert_eq!(body(&list())["result"], json!([]));
    assert_eq!(list().header("x-total-count"), Some("1"));
    on.set(|it| it.forbidden_tables = hide(&["sysapproval_approver"]));
    assert_eq!(list().status, 403);
}

#[test]
fn a_closed_task_closes_its_item_and_the_last_item_its_order() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Item, true);
    let bob = on.person("bob").expect("bob");
    let ordered = on.order("Laptop", &bob, &[("model", "X")]).expect("an order");
    assert!(on.approve(&ordered.number));
    let tasks = on.request(&ordered.number).map(|it| it.tasks).unwrap_or_default();
    assert_eq!(tasks, [("SCTASK0010001".to_owned(), "1".to_owned())]);
    assert!(on.edit("SCTASK0010001", &[("state", "3")]));
    let view = on.request(&ordered.number).expect("a request");
    assert_eq!(
        (view.state.as_str(), view.active, view.request_state.as_str()),
        ("3", false, "closed_complete")
    );
}

#[test]
fn a_write_appends_notes_closes_and_is_echoed_with_a_second_stamp() {
    let (on, clock) = people();
    laptop(&on, ApprovalBy::Item, false);
    let ordered =
        on.order("Laptop", &on.person("bob").expect("bob"), &[("model", "X")]).expect("an order");
    on.approve(&ordered.number);
    clock.advance(Duration::from_secs(5));
    let path = format!("/api/now/table/sc_req_item/{}", ordered.sys_id);
    let before = on.request(&ordered.number).map_or(0, |it| it.sys_mod_count);
    let change = json!({"state": "3", "work_notes": "Done.", "sys_updated_by": "me", "variables.model": "Z", "nothing": "x"});
    let echo = body(&call(&on, "PATCH", &path, Some(&change)))["result"].clone();
    assert_eq!(
        (&echo["state"], &echo["work_notes"], &echo["active"]),
        (&json!("3"), &json!(""), &json!("false"))
    );
    assert_eq!(echo["sys_updated_by"], "svc-goldthread");
    assert_eq!(echo["sys_updated_on"], "2026-11-23 10:21:35");
    assert_eq!(echo["closed_at"], "2026-11-23 10:21:35");
    assert_eq!(echo["u_ticket_classification"], Value::Null);
    assert_eq!(on.request(&ordered.number).map(|it| it.sys_mod_count), Some(before + 1));
    call(&on, "PATCH", &path, Some(&json!({"work_notes": "Done."})));
    assert_eq!(on.notes(&ordered.number), ["Done.", "Done."]);
    let entries = get(
        &on,
        &format!(
            "/api/now/table/sys_journal_field?sysparm_query=element_id={}%5Eelement=work_notes&sysparm_fields=value,sys_created_by",
            ordered.sys_id
        ),
    );
    assert_eq!(entries[1], json!({"value": "Done.", "sys_created_by": "svc-goldthread"}));
    let count = on.request(&ordered.number).map(|it| it.sys_mod_count);
    call(&on, "PATCH", &path, Some(&json!({"state": "3"})));
    assert_eq!(on.request(&ordered.number).map(|it| it.sys_mod_count), count);
    assert_eq!(on.writes().len(), 3);
}

#[test]
fn a_write_can_be_dropped_aborted_or_overwritten() {
    let (on, clock) = people();
    laptop(&on, ApprovalBy::Nobody, false);
    let ordered =
        on.order("Laptop", &on.person("bob").expect("bob"), &[("model", "X")]).expect("an order");
    let path = format!("/api/now/table/sc_req_item/{}", ordered.sys_id);
    let set_state = |state: &str| {
        let answer = call(&on, "PATCH", &path, Some(&json!({"state": state})));
        (answer.status, body(&answer)["result"]["state"].clone())
    };
    assert_eq!(set_state("99"), (200, json!("1")));
    on.set(|it| it.dropped_writes = ["sc_req_item.state".to_owned()].into());
    assert_eq!(set_state("3"), (200, json!("1")));
    on.set(|it| it.dropped_writes.clear());
    on.set(|it| it.aborted_writes = [ordered.number.clone()].into());
    assert_eq!(set_state("3").0, 403);
    on.set(|it| it.aborted_writes.clear());
    let after = Duration::from_secs(3);
    on.set(|it| {
        it.flow_state = Some(FlowState { after, state: "2".to_owned() });
    });
    assert_eq!(set_state("3"), (200, json!("3")));
    clock.advance(after);
    assert_eq!(
        on.request(&ordered.number).map(|it| (it.state, it.active)),
        Some(("2".to_owned(), true))
    );
}

#[test]
fn an_edited_variable_leaves_no_trace_on_the_item() {
    let (on, clock) = people();
    laptop(&on, ApprovalBy::Nobody, false);
    let ordered =
        on.order("Laptop", &on.person("bob").expect("bob"), &[("model", "X")]).expect("an order");
    let before = on.request(&ordered.number).expect("a request");
    clock.advance(Duration::from_secs(9));
    assert!(on.edit_variable(&ordered.number, "model", "Y"));
    let after = on.request(&ordered.number).expect("a request");
    assert_eq!(
        (before.sys_mod_count, &before.sys_updated_on),
        (after.sys_mod_count, &after.sys_updated_on)
    );
    assert_eq!(after.variables["model"], "Y");
    let joined = get(
        &on,
        &format!(
            "/api/now/table/sc_item_option_mtom?sysparm_query=request_item={}&sysparm_fields=sc_item_option.item_option_new.name,sc_item_option.value",
            ordered.sys_id
        ),
    );
    let named: Vec<&Value> = joined
        .as_array()
        .expect("a list")
        .iter()
        .filter(|it| it["sc_item_option.item_option_new.name"] != "")
        .collect();
    assert_eq!((joined.as_array().map(Vec::len), named.len()), (Some(3), 2));
}

#[test]
fn a_late_commit_shows_a_row_with_an_older_stamp() {
    let (on, clock) = instance();
    on.set(|it| it.commit_delay = Duration::from_secs(30));
    let id = on.add_person(&[("user_name", "eve")]);
    let path = format!("/api/now/table/sys_user/{id}");
    assert_eq!(call(&on, "GET", &path, None).status, 404);
    clock.advance(Duration::from_secs(30));
    assert_eq!(get(&on, &path)["sys_updated_on"], "2026-11-23 10:20:30");
}

#[test]
fn a_cut_list_says_so_inside_of_a_good_answer() {
    let (on, _) = people();
    on.set(|it| {
        it.cut_list = Some(CutList { after_rows: 2, empty_element: true, times: 1 });
    });
    let first = call(&on, "GET", "/api/now/table/sys_user", None);
    assert_eq!((first.status, body(&first)["status"].clone()), (200, json!("failure")));
    assert_eq!(body(&first)["result"][2], "");
    assert_eq!(get(&on, "/api/now/table/sys_user").as_array().map(Vec::len), Some(5));
    on.set(|it| it.accepted_only = 1);
    assert_eq!(call(&on, "GET", "/api/now/table/sys_user", None).status, 202);
}

#[test]
fn a_rate_rule_counts_by_the_clock_hour() {
    let (on, clock) = instance();
    on.set(|it| it.hourly_limit = Some(2));
    let status = || call(&on, "GET", "/api/now/table/sc_task", None);
    assert_eq!(status().header("X-RateLimit-Limit"), Some("2"));
    assert_eq!(status().status, 200);
    let refused = status();
    assert_eq!((refused.status, refused.header("Retry-After")), (429, Some("2370")));
    clock.advance(Duration::from_secs(2370));
    assert_eq!(status().status, 200);
}

#[tokio::test]
async fn the_token_endpoint_takes_forms_and_gives_the_same_token_while_it_lives() {
    let (on, clock) = instance();
    let server = on.serve(Arc::default()).expect("a server");
    let client = reqwest::Client::new();
    let known = on.credentials();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", &known.client_id),
        ("client_secret", &known.client_secret),
    ];
    let ask = async || {
        let answer = client
            .post(format!("{}/oauth_token.do", server.url))
            .form(&form)
            .send()
            .await
            .expect("an answer");
        answer.json::<Value>().await.expect("json")
    };
    let first = ask().await;
    clock.advance(Duration::from_secs(100));
    let second = ask().await;
    assert_eq!(first["access_token"], second["access_token"]);
    assert_eq!((&first["expires_in"], &second["expires_in"]), (&json!(1800), &json!(1700)));
    let as_json = client
        .post(format!("{}/oauth_token.do", server.url))
        .json(&json!({"grant_type": "client_credentials"}));
    assert_eq!(as_json.send().await.expect("an answer").status(), 401);
    let token = first["access_token"].as_str().expect("a token");
    let me = format!(
        "{}/api/now/table/sys_user?sysparm_query=sys_id=javascript:gs.getUserID()&sysparm_fields=user_name",
        server.url
    );
    let with_token = async || client.get(&me).bearer_auth(token).send().await.expect("an answer");
    assert_eq!(
        with_token().await.json::<Value>().await.expect("json"),
        json!({"result": [{"user_name": "svc-goldthread"}]})
    );
    on.revoke_tokens();
    assert_eq!(with_token().await.status(), 401);
    assert_ne!(ask().await["access_token"], first["access_token"]);
    let key =
        client.get(&me).header("x-sn-apikey", &known.api_key).send().await.expect("an answer");
    assert_eq!(key.status(), 200);
}

#[tokio::test]
async fn without_credentials_there_is_401_or_a_guest_who_sees_nothing() {
    let (on, _) = people();
    let server = on.serve(Arc::default()).expect("a server");
    let url = format!("{}/api/now/table/sys_user", server.url);
    assert_eq!(reqwest::get(&url).await.expect("an answer").status(), 401);
    on.set(|it| it.guests = true);
    let answer = reqwest::get(&url).await.expect("an answer");
    assert_eq!(answer.headers()["x-total-count"], "5");
    assert_eq!(answer.json::<Value>().await.expect("json"), json!({"result": []}));
}

#[tokio::test]
async fn bodies_are_json_and_a_head_call_has_headers_only() {
    let (on, _) = people();
    let server = on.serve(Arc::default()).expect("a server");
    let url = format!("{}/api/now/table/sys_user", server.url);
    let client = reqwest::Client::new();
    let known = on.credentials();
    let start =
        |method| client.request(method, &url).basic_auth(&known.user_name, Some(&known.password));
    let status = async |call: reqwest::RequestBuilder| {
        call.send().await.expect("an answer").status().as_u16()
    };
    assert_eq!(status(start(reqwest::Method::GET).header("accept", "text/html")).await, 406);
    assert_eq!(status(start(reqwest::Method::POST).body("{}")).await, 400);
    assert_eq!(
        status(start(reqwest::Method::POST).header("content-type", "text/plain").body("{}")).await,
        415
    );
    assert_eq!(
        status(start(reqwest::Method::POST).header("content-type", "application/json").body("["))
            .await,
        400
    );
    let head = start(reqwest::Method::HEAD).send().await.expect("an answer");
    assert_eq!(head.headers()["x-total-count"], "5");
    let made = start(reqwest::Method::POST)
        .json(&json!({"user_name": "eve", "sys_id": "mine"}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(made.status(), 201);
    assert!(made.headers()["location"].to_str().expect("text").starts_with(&url));
    assert!(on.person("eve").is_some_and(|id| id != "mine"));
}

#[test]
fn variables_behind_a_hidden_table_are_left_out_and_dots_through_it_are_empty() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Nobody, false);
    on.set(|it| it.items_name_a_person = false);
    let ordered =
        on.order("Laptop", &on.person("bob").expect("bob"), &[("model", "X")]).expect("an order");
    on.set(|it| it.hidden_tables = ["sc_item_option".to_owned()].into());
    let row = get(
        &on,
        &format!(
            "/api/now/table/sc_req_item/{}?sysparm_fields=number,requested_for,variables.model",
            ordered.sys_id
        ),
    );
    assert_eq!(row, json!({"number": "RITM0010001", "requested_for": ""}));
    let joined = get(&on, "/api/now/table/sc_item_option_mtom?sysparm_fields=sc_item_option.value");
    assert_eq!(joined[1], json!({"sc_item_option.value": ""}));
}

#[test]
fn rows_of_a_variable_set_are_read_by_their_item() {
    let (on, _) = people();
    laptop(&on, ApprovalBy::Nobody, false);
    let ordered =
        on.order("Laptop", &on.person("bob").expect("bob"), &[("model", "X")]).expect("an order");
    assert!(on.add_set_row(
        &ordered.number,
        "accesses",
        "1",
        &[("system", "GitLab"), ("role", "dev")]
    ));
    let cells = get(
        &on,
        &format!(
            "/api/now/table/sc_multi_row_question_answer?sysparm_query=parent_id={}%5EORDERBYvalue&sysparm_fields=row_index,item_option_new.name,value",
            ordered.sys_id
        ),
    );
    assert_eq!(cells[1], json!({"row_index": "1", "item_option_new.name": "role", "value": "dev"}));
}

#[tokio::test]
async fn faults_on_the_way_are_worded_as_the_platform_words_them() {
    let (on, _) = instance();
    let faults: Arc<Faults> = Arc::default();
    let server = on.serve(Arc::clone(&faults)).expect("a server");
    let get = async || {
        reqwest::get(format!("{}/api/now/table/sc_task", server.url)).await.expect("an answer")
    };
    faults.on("GET", "/table/", crate::sim::faults::Fault::Status(503));
    assert_eq!(get().await.headers()["content-type"], "text/html;charset=UTF-8");
    faults.on("GET", "/table/", crate::sim::faults::Fault::Html200);
    assert!(get().await.text().await.expect("a page").contains("instance-hibernating-page"));
    let reset_after_seconds = Some(30);
    faults.on("GET", "/table/", crate::sim::faults::Fault::TooManyRequests { reset_after_seconds });
    assert_eq!(get().await.headers()["retry-after"], "30");
    assert_eq!(on.calls(), []);
}

#[test]
fn every_answer_is_dated_by_the_clock_of_the_instance() {
    let (on, _) = instance();
    let date = Some("Mon, 23 Nov 2026 10:20:30 GMT");
    assert_eq!(call(&on, "GET", "/api/now/table/sys_user", None).header("date"), date);
    for refusal in [on.fault_body(500), on.too_many_requests(None), on.too_many_requests(Some(1))] {
        assert_eq!(refusal.header("date"), date);
    }
    assert_eq!(on.login_page().header("date"), date);
}

#[test]
fn a_deleted_person_leaves_a_row_in_the_audit_that_can_be_hidden() {
    let (on, _) = people();
    let ann = on.person("ann").unwrap();
    on.delete_person(&ann);
    let target = format!(
        "/api/now/table/sys_audit_delete?sysparm_query=tablename=sys_user%5Edocumentkey={ann}\
         &sysparm_fields=tablename,documentkey,sys_created_on,sys_created_by"
    );
    let rows = get(&on, &target);
    assert_eq!(rows[0]["documentkey"], json!(ann));
    assert_eq!(rows[0]["sys_created_by"], "hr.admin");
    assert!(rows[0]["sys_created_on"].as_str().unwrap().starts_with("2026-11-23 "));
    on.set(|it| it.hidden_tables = ["sys_audit_delete".to_owned()].into());
    let hidden = call(&on, "GET", &target, None);
    assert_eq!(
        (body(&hidden)["result"].clone(), hidden.header("x-total-count")),
        (json!([]), Some("1"))
    );
}

#[test]
fn an_access_rule_hides_a_row_and_a_before_query_rule_also_its_number() {
    let (on, _) = people();
    let ann = on.person("ann").unwrap();
    let list = format!("/api/now/table/sys_user?sysparm_query=sys_id={ann}&sysparm_fields=sys_id");
    let by_id = format!("/api/now/table/sys_user/{ann}");
    let counted = || {
        let answer = call(&on, "GET", &list, None);
        let shown = body(&answer)["result"].as_array().unwrap().len();
        (answer.header("x-total-count").map(str::to_owned), shown)
    };
    assert_eq!(counted(), (Some("1".into()), 1));
    on.set(|it| it.hidden_rows = [ann.clone()].into());
    assert_eq!(counted(), (Some("1".into()), 0));
    assert_eq!(call(&on, "GET", &by_id, None).status, 404);
    on.set(|it| {
        it.hidden_rows.clear();
        it.ruled_out_rows = [ann.clone()].into();
    });
    assert_eq!(counted(), (Some("0".into()), 0));
    assert_eq!(call(&on, "GET", &by_id, None).status, 404);
}

#[test]
fn a_text_that_is_not_let_pass_is_refused_in_three_ways() {
    let (on, _) = people();
    let target = "/api/now/table/sys_user?sysparm_query=user_name=Select%20From";
    for (answer, status, page) in [
        (Refusal::Error(400), 400, false),
        (Refusal::Error(403), 403, false),
        (Refusal::Page(403), 403, true),
        (Refusal::Page(200), 200, true),
    ] {
        on.set(|it| it.refused_texts = vec![RefusedText { text: "select from".into(), answer }]);
        let refused = call(&on, "GET", target, None);
        let is_page = refused.header("content-type").is_some_and(|it| it.contains("html"));
        assert_eq!((refused.status, is_page), (status, page));
        assert_eq!(names(&on, "user_name=ann"), ["ann"]);
    }
}

#[test]
fn a_single_row_can_lack_a_field_or_show_it_in_another_shape() {
    let (on, _) = people();
    let (ann, cy) = (on.person("ann").unwrap(), on.person("cy").unwrap());
    on.set(|it| {
        it.odd_fields.insert((ann.clone(), "department.name".into()), None);
        it.odd_fields.insert((cy.clone(), "email".into()), Some(json!(["cy"])));
    });
    let target = "/api/now/table/sys_user?sysparm_fields=sys_id,email,department.name";
    let rows = get(&on, target);
    let of =
        |id: &str| rows.as_array().unwrap().iter().find(|it| it["sys_id"] == id).unwrap().clone();
    assert!(of(&ann).get("department.name").is_none());
    assert_eq!(of(&ann)["email"], "ann@example.com");
    assert_eq!((&of(&cy)["email"], &of(&cy)["department.name"]), (&json!(["cy"]), &json!("Sales")));
}
