//! The configuration, as an administrator meets it: the shipped example works, and every mistake is
//! said with its line and what to write instead.

use std::collections::BTreeMap;
use std::path::Path;

use goldthread::config::{Close, Config, Environment, parse, path};
use goldthread::policy::{Accounts, ApprovalSource, Disposal};

fn environment() -> Environment {
    let variables = [("SN", "snow-secret"), ("OKTA", "okta-secret"), ("EMPTY", "")];
    Environment {
        variables: variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter().collect(),
        ..Environment::default()
    }
}

fn read(text: &str) -> Result<Config, String> {
    parse(text, Path::new("/etc/goldthread/config.toml"), None, &environment())
        .map_err(|error| error.to_string())
}

const LEAST: &str = r#"
[servicenow]
url = "https://example.service-now.com"
auth = { kind = "basic", username = "svc", password = "env:SN" }
[okta]
url = "https://example.okta.com/"
auth = { kind = "token", token = "env:OKTA" }
[profile]
login = "user.email"
email = "user.email"
"#;

/// The smallest configuration with one line changed, added or taken away.
fn with(change: impl Fn(&str) -> String) -> String {
    match read(&change(LEAST)) {
        Ok(_) => panic!("it was accepted"),
        Err(error) => error,
    }
}

fn append(text: &str) -> String {
    with(|least| format!("{least}{text}"))
}

#[test]
fn the_shipped_example_can_be_used_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["servicenow-secret", "okta-key"] {
        std::fs::write(folder.path().join(name), "a secret\n").unwrap();
    }
    let variables =
        BTreeMap::from([("CREDENTIALS_DIRECTORY".to_owned(), folder.path().display().to_string())]);
    let text = std::fs::read_to_string("config.toml").unwrap();
    let config = parse(
        &text,
        Path::new("config.toml"),
        None,
        &Environment { variables, ..Environment::default() },
    )
    .unwrap();
    assert!(config.policy.observe, "an example that writes would be a trap");
    assert_eq!(config.policy.requests.len(), 7);
    assert_eq!(config.policy.requests[5].approval, ApprovalSource::Order);
    assert!(config.servicenow.order_approval);
    let fields: Vec<&str> = config.servicenow.person_fields.iter().map(String::as_str).collect();
    assert!(fields.contains(&"department.name") && fields.contains(&"department"), "{fields:?}");
    assert!(config.servicenow.variables.contains("employees"));
}

#[test]
fn what_is_left_out_has_the_documented_default() {
    let config = read(LEAST).unwrap();
    assert!(config.policy.observe);
    assert_eq!(config.policy.accounts, Accounts::Requested);
    assert_eq!(config.policy.unattributed, Disposal::Hold);
    assert_eq!(config.policy.drift, Disposal::Apply);
    assert_eq!(config.servicenow.users, "user_nameISNOTEMPTY");
    assert_eq!(config.servicenow.page_size, 1000);
    assert!((config.okta.share - 0.5).abs() < f64::EPSILON);
    assert_eq!(config.limits.max_disabled, 5);
    assert!((config.limits.max_disabled_share - 0.005).abs() < 1e-9);
    assert_eq!(config.writeback.close, Close::Item);
    assert_eq!(config.schedule.poll.as_secs(), 5);
    assert_eq!(config.store.path, Path::new("/var/lib/goldthread/goldthread.db"));
}

#[test]
fn a_misspelt_key_is_refused_with_its_line_and_the_right_name() {
    let error = append("[guard]\nmax_disable = 3\n");
    assert!(error.contains("config.toml:12:1"), "{error}");
    assert!(error.contains("unknown key `max_disable`; did you mean `max_disabled`?"), "{error}");
    let error = with(|least| format!("mod = \"enforce\"\n{least}"));
    assert!(error.contains(":1:") && error.contains("did you mean `mode`"), "{error}");
}

#[test]
fn a_wrong_type_or_word_is_refused_with_what_would_be_right() {
    let error = append("[guard]\nmax_disabled = \"five\"\n");
    assert!(error.contains(":12:") && error.contains("u32"), "{error}");
    let error = append("[lifecycle]\naccounts = \"request\"\n");
    assert!(error.contains("did you mean \"requested\"?"), "{error}");
    let error = append("[schedule]\ntimezone = \"Europe/Berlim\"\n");
    assert!(error.contains("did you mean \"Europe/Berlin\"?"), "{error}");
    let error = append("[schedule]\nfull = \"every night\"\n");
    assert!(error.contains("cron schedule with seconds"), "{error}");
    let error = append("[guard]\nmax_group_share = \"130%\"\n");
    assert!(error.contains("is not a percentage"), "{error}");
    let error = append("[schedule]\npoll = \"100ms\"\n");
    assert!(error.contains("at least \"1s\""), "{error}");
}

#[test]
fn every_mistake_is_said_at_once() {
    let error = append("[guard]\nwindow = \"a while\"\n[lifecycle]\ninactive_record = \"fire\"\n");
    assert!(error.contains(":12:") && error.contains(":14:"), "{error}");
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let error = with(|least| least.replace("env:OKTA", "00SuperSecretToken"));
    assert!(error.contains("credential:NAME") && !error.contains("SuperSecret"), "{error}");
}

#[test]
fn a_secret_that_is_missing_or_empty_is_named_with_its_line() {
    let error = with(|least| least.replace("env:OKTA", "env:NOWHERE"));
    assert!(error.contains(":7:") && error.contains("NOWHERE is not set"), "{error}");
    let error = with(|least| least.replace("env:OKTA", "env:EMPTY"));
    assert!(error.contains("env:EMPTY is empty"), "{error}");
    let error = with(|least| least.replace("env:OKTA", "file:does-not-exist"));
    assert!(error.contains("/etc/goldthread/does-not-exist"), "{error}");
    let error = with(|least| least.replace("env:OKTA", "credential:../shadow"));
    assert!(error.contains("plain file name"), "{error}");
}

#[test]
fn plain_http_is_only_for_this_machine() {
    for (url, fine) in [
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("http://[::1]:8080", true),
        ("http://example.okta.com", false),
        ("ftp://example.okta.com", false),
        ("https://example.okta.com/api/v1", false),
        ("https://user:pw@example.okta.com", false),
        ("example.okta.com", false),
    ] {
        let text = LEAST.replace("https://example.okta.com/", url);
        assert_eq!(read(&text).is_ok(), fine, "{url}");
    }
}

#[test]
fn a_bad_expression_is_refused_at_load_with_its_line() {
    let error = append("department = \"user.department.name +\"\n");
    assert!(error.contains(":11:") && error.contains("not a CEL expression"), "{error}");
    let error = append("department = \"users.department\"\n");
    assert!(error.contains("did you mean `user`?"), "{error}");
    let error = append("department = \"upper(user.department.name)\"\n");
    assert!(error.contains("no function `upper`"), "{error}");
}

#[test]
fn a_reference_and_its_dot_walk_cannot_both_be_named() {
    let error = append("a = \"user.manager\"\nb = \"user.manager.email\"\n");
    assert!(error.contains("user.manager.sys_id"), "{error}");
}

#[test]
fn a_request_block_must_say_what_its_operation_needs() {
    let block = |body: &str| append(&format!("[[request]]\nitem = \"X\"\n{body}\n"));
    assert!(block("operation = \"join\"").contains("add `person`"));
    assert!(block("operation = \"grant\"").contains("add `groups`"));
    assert!(block("operation = \"hire\"").contains("is not one of join"));
    let leave = block("operation = \"leave\"\nperson = \"variables.p\"\nstarts = \"variables.d\"");
    assert!(leave.contains("`last_day` instead of `starts`"), "{leave}");
    let early = block("operation = \"join\"\nperson = \"variables.p\"\nlast_day = \"variables.d\"");
    assert!(early.contains("only a leave"), "{early}");
    let root = block("operation = \"join\"\nperson = \"user.email\"");
    assert!(root.contains("`variables` and `request`"), "{root}");
}

#[test]
fn whoever_lets_requests_grant_must_say_what_they_may_grant() {
    let block = "[[request]]\nitem = \"X\"\noperation = \"grant\"\ngroups = \"variables.g\"\n";
    let error = append(block);
    assert!(error.contains("guard.grantable_groups"), "{error}");
    read(&format!("{LEAST}{block}[guard]\ngrantable_groups = [\"app-*\"]\n")).unwrap();
}

#[test]
fn a_query_that_would_break_paging_is_refused() {
    for query in ["active=true^ORDERBYname", "a=1^NQb=2", "name=javascript:gs.getUserID()"] {
        let text = LEAST.replace("[okta]", &format!("users = \"{query}\"\n[okta]"));
        assert!(read(&text).is_err(), "{query} was accepted");
    }
}

#[test]
fn matching_by_an_attribute_that_is_not_mapped_is_refused() {
    let error = append("[identity]\nmatch = [\"employeNumber\"]\n");
    assert!(error.contains("which [profile] does not map"), "{error}");
}

#[test]
fn an_account_key_that_does_not_belong_to_its_kind_is_refused() {
    let error = with(|least| least.replace("token = \"env:OKTA\"", "key = \"env:OKTA\""));
    assert!(error.contains("has no `key`") && error.contains("needs `token`"), "{error}");
}

#[test]
fn the_file_is_the_named_one_the_instances_or_the_usual_one() {
    let none = Environment::default();
    let usual = path(None, None, &none).unwrap();
    assert_eq!(usual, Path::new("/etc/goldthread/config.toml"));
    assert_eq!(path(None, Some("emea"), &none).unwrap(), Path::new("/etc/goldthread/emea.toml"));
    assert!(path(None, Some("../../etc/passwd"), &none).is_err());
    let variables = BTreeMap::from([("GOLDTHREAD_CONFIG".to_owned(), "/tmp/g.toml".to_owned())]);
    let environment = Environment { variables, ..Environment::default() };
    assert_eq!(path(None, None, &environment).unwrap(), Path::new("/tmp/g.toml"));
    assert_eq!(path(Some(Path::new("x.toml")), None, &environment).unwrap(), Path::new("x.toml"));
}

#[test]
fn the_store_is_where_the_unit_keeps_it_unless_it_is_named() {
    let store = |text: &str, instance: Option<&str>, environment: &Environment| {
        let path = Path::new("/etc/goldthread/config.toml");
        parse(text, path, instance, environment).unwrap().store.path
    };
    let shell = environment();
    let usual = Path::new("/var/lib/goldthread/goldthread.db");
    assert_eq!(store(LEAST, None, &shell), usual);
    let emea = Path::new("/var/lib/goldthread-emea/goldthread.db");
    assert_eq!(store(LEAST, Some("emea"), &shell), emea);

    let mut unit = environment();
    unit.variables.insert("STATE_DIRECTORY".to_owned(), "/var/lib/gt:/var/lib/other".to_owned());
    assert_eq!(store(LEAST, Some("emea"), &unit), Path::new("/var/lib/gt/goldthread.db"));

    let named = format!("{LEAST}[store]\npath = \"here.db\"\n");
    assert_eq!(store(&named, Some("emea"), &unit), Path::new("/etc/goldthread/here.db"));
}
