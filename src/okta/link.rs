//! The `Link` header, which leads from page to page.

use reqwest::header::{HeaderMap, LINK};

/// The target of `rel="next"`.
///
/// There is one header line for each relation
/// (<https://developer.okta.com/docs/reference/core-okta-api/>); proxies join them with commas, and
/// commas also stand inside the addresses.
pub(super) fn next(headers: &HeaderMap) -> Option<String> {
    headers.get_all(LINK).iter().filter_map(|line| line.to_str().ok()).find_map(next_in)
}

fn next_in(line: &str) -> Option<String> {
    let mut rest = line;
    while let Some((_, after)) = rest.split_once('<') {
        let (target, after) = after.split_once('>')?;
        // Parameters run to the next link: they hold no `<`.
        let end = after.find('<').unwrap_or(after.len());
        let is_next = after[..end].split([';', ',']).any(|parameter| {
            parameter.split_once('=').is_some_and(|(name, value)| {
                name.trim().eq_ignore_ascii_case("rel")
                    && value
                        .trim()
                        .trim_matches('"')
                        .split_whitespace()
                        .any(|relation| relation.eq_ignore_ascii_case("next"))
            })
        });
        if is_next {
            return Some(target.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn next_of(lines: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(LINK, HeaderValue::from_static(line));
        }
        next(&headers)
    }

    #[test]
    fn several_header_lines_are_searched() {
        let lines = [
            r#"<https://o.example/api/v1/users?limit=2>; rel="self""#,
            r#"<https://o.example/api/v1/users?after=x&limit=2>; rel="next""#,
        ];
        assert_eq!(next_of(&lines).unwrap(), "https://o.example/api/v1/users?after=x&limit=2");
    }

    #[test]
    fn one_joined_line_with_commas_inside_addresses_is_taken_apart() {
        let line = r#"<https://o.example/u?fields=id,status>; rel="self", <https://o.example/u?after=a,b>; rel="next""#;
        assert_eq!(next_of(&[line]).unwrap(), "https://o.example/u?after=a,b");
    }

    #[test]
    fn the_last_page_has_no_next() {
        assert_eq!(next_of(&[r#"<https://o.example/u?title=rel=next>; rel="self""#]), None);
        assert_eq!(next_of(&[]), None);
        assert_eq!(next_of(&["nonsense <"]), None);
    }

    #[test]
    fn unquoted_and_multiple_relations_count() {
        assert_eq!(
            next_of(&["<https://o.example/2>; title=x; rel=next"]).unwrap(),
            "https://o.example/2"
        );
        assert_eq!(
            next_of(&[r#"<https://o.example/2>;rel="last next""#]).unwrap(),
            "https://o.example/2"
        );
    }
}
