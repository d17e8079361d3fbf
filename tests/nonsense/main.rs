//! Foreign input that makes no sense: nothing of it makes the program panic, hang or run on.
//! `fuzz/` feeds the same doors for as long as one likes.

mod doors;

use doors::{as_configuration, as_date, as_link, as_mapping, from_okta, from_servicenow};
use proptest::prelude::*;

/// Pieces that answers are made of, whole and in part.
const PIECES: [&str; 24] = [
    r#"{"result":[{"sys_id":"a","sys_mod_count":"-1","sys_updated_on":"0000-00-00 00:00:00"}]}"#,
    r#"{"result":[{"sys_id":"a1","number":"RITM1","request.number":"","sys_created_on":"2026-02-30 24:60:60","sys_updated_on":"9999-12-31 23:59:59","sys_mod_count":"99999999999999999999"}]}"#,
    r#"{"result":{"sys_id":{"value":{"value":"x"}},"name":{"display_value":"y"}}}"#,
    r#"{"result":[""],"error":{"message":null,"detail":7},"status":"failure"}"#,
    r#"{"result":[null,{}]}"#,
    r#"{"error":{"message":"No Record found","detail":"\u0000\u001b[31m"}}"#,
    r#"{"access_token":"t","token_type":"Bearer","expires_in":18446744073709551615}"#,
    r#"{"access_token":"t","token_type":"DPoP","expires_in":"9223372036854775807","scope":7}"#,
    r#"[{"id":"00u1","status":"ACTIVE","profile":{"login":"a","level":1e400,"tags":[[]]}}]"#,
    r#"[{"id":"../../x","status":"ACTIVE","profile":{"login":"a"}}]"#,
    r#"[{"id":"00g1","type":"OKTA_GROUP","profile":{"name":null}}]"#,
    r#"[{"status":"ACTIVE","actions":{"assignUserToGroups":{"groupIds":[""]}}}]"#,
    r#"[{"uuid":"1","eventType":"x","published":"+262143-12-31T23:59:60Z","debugContext":{"debugData":"x"}}]"#,
    r#"{"definitions":{"base":{"properties":{"login":{"maxLength":-1}},"required":null}}}"#,
    r#"{"errorCode":"E0000001","errorSummary":"x","errorCauses":[{"errorSummary":":"},{}]}"#,
    "<!doctype html><title>Sign in</title>",
    "[[[[[[[[[[[[[[[[",
    "{\"result\":[",
    "\u{feff}{}",
    "null",
    "1e999999999",
    "\"\\ud800\"",
    "{\"a\":1,\"a\":2}",
    "",
];

const LINES: [&str; 16] = [
    "\u{1}<https://o.example/api?after=a,b>; rel=\"next\"",
    "\u{1}<<>>;;rel=next,<",
    "\u{1}<a>;rel=\"self\",<b>;REL=NEXT; x=\">\"",
    "\u{2}18446744073709551615",
    "\u{2}-1",
    "\u{3}18446744073709551615",
    "\u{3}Fri, 31 Dec 9999 23:59:59 GMT",
    "\u{4}Mon, 23 Nov 0000 09:00:00 GMT",
    "\u{4}Fri, 31 Dec 9999 23:59:59 +9999",
    "\u{5}9223372036854775807",
    "\u{5}-9223372036854775808",
    "\u{6}4294967295",
    "\u{7}Bearer error=\"insufficient_scope\", scope=",
    "\u{7}DPoP =,==,scope==\"\"",
    "\u{9}0",
    "\u{0}text/html",
];

#[test]
fn answers_that_make_no_sense_are_refused_and_nothing_more() {
    for status in 0..16_u8 {
        for piece in PIECES {
            for lines in LINES.chunks(4) {
                let whole = format!("{}\n\n{piece}", lines.join("\n"));
                for cut in [whole.len(), whole.len().saturating_sub(2), whole.len() / 2] {
                    let mut bytes = vec![status];
                    bytes.extend(&whole.as_bytes()[..cut]);
                    from_okta(&bytes);
                    from_servicenow(&bytes);
                }
            }
        }
    }
    for line in LINES {
        as_link(line.as_bytes());
    }
}

#[test]
fn dates_and_queries_that_make_no_sense_are_refused_and_nothing_more() {
    for text in [
        "9999-12-31",
        "99999-12-31",
        "+262143-12-31",
        "-262144-01-01",
        "0000-00-00",
        "2026-02-30",
        "2026-10-25 02:30:00",
        "2011-12-30",
        "2026-13-01T00:00:00Z",
        "2026-01-01 24:00:00",
        "٢٠٢٦-٠١-٠١",
        "^",
        "^^",
        "^NQ",
        "a=b^ORc",
        "javascript:gs.x()",
        "a^ORDERBY",
        "=",
        "aIN",
        "a.b.c.d=",
        "\0",
    ] {
        as_date(text);
    }
}

#[test]
fn configurations_and_expressions_that_make_no_sense_are_refused_and_nothing_more() {
    let sample = include_str!("../../config.toml");
    for (place, _) in sample.char_indices().step_by(23) {
        as_configuration(&sample[..place]);
        as_configuration(&format!("{}\u{0}\n[[]]{}", &sample[..place], &sample[place..]));
    }
    let deep = format!("a = {}{}", "[".repeat(10_000), "]".repeat(10_000));
    for text in ["", "[", "mode = 1e999", "[servicenow]\nurl = \"http://[::1]:99999\"", &deep] {
        as_configuration(text);
    }
    let deep = "(".repeat(10_000);
    let long = "user.title + ".repeat(3000) + "user.title";
    for text in [
        "",
        "user",
        "user.title\n",
        "user.title[0]",
        "1/0",
        "-9223372036854775808 / -1",
        "9223372036854775807 + 1",
        "user.title.matches('(a*)*b')\naaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac",
        "'a' * 3",
        "[1,2,3].map(x, x)",
        "user.title.size() % 0",
        "timestamp('9999-99-99')",
        "duration('1e99s')",
        "string(double('nan'))",
        "int('99999999999999999999')",
        "\u{0}",
        "user.title.substring(99)",
        &deep,
        &long,
    ] {
        as_mapping(text);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_an_answer_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        from_okta(&bytes);
        from_servicenow(&bytes);
        as_link(&bytes);
    }

    #[test]
    fn no_text_makes_a_date_or_a_configuration_panic(text in "\\PC{0,60}") {
        as_date(&text);
        as_configuration(&text);
        as_mapping(&text);
    }
}
