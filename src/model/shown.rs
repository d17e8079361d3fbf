//! Text from outside, made fit for eyes: nothing in it moves a cursor, begins a line of its own,
//! turns the direction of reading, or is there without being seen.
//!
//! Values are kept, compared and written as they are. Only what is shown passes here, at its doors:
//! what the commands print, the log, notes on requests, and the service's status line.

use std::borrow::Cow;
use std::fmt::Write as _;

/// A value or a sentence, as one line.
pub(crate) fn line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false, in_words)
}

/// A text of several lines that are ours: line feeds and tabs stay.
pub(crate) fn page(text: &str) -> Cow<'_, str> {
    escaped(text, |c| matches!(c, '\n' | '\t'), in_words)
}

/// A JSON document: the same document, in which such characters are written as escapes. What is not
/// ASCII stands inside strings only, and the serializer has escaped the rest already.
pub(crate) fn json(document: &str) -> Cow<'_, str> {
    escaped(
        document,
        |c| matches!(c, '\n' | '\r' | '\t'),
        |c, into| {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(into, "\\u{unit:04x}");
            }
        },
    )
}

fn in_words(c: char, into: &mut String) {
    into.extend(c.escape_default());
}

fn escaped(
    text: &str,
    stays: impl Fn(char) -> bool,
    escape: impl Fn(char, &mut String),
) -> Cow<'_, str> {
    let acts = |c: char| is_unseen(c) && !stays(c);
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if acts(c) { escape(c, &mut shown) } else { shown.push(c) }
    }
    Cow::Owned(shown)
}

/// Whether a character does something instead of being seen: control characters, separators of
/// lines, and what Unicode calls *format* or *default ignorable*
/// (<https://www.unicode.org/reports/tr44/#Default_Ignorable_Code_Point>), but for the variation
/// selectors of emoji.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}'
            | '\u{8e2}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ODD: [(char, &str); 16] = [
        ('\u{1b}', "\\u{1b}"),
        ('\u{7}', "\\u{7}"),
        ('\u{0}', "\\u{0}"),
        ('\n', "\\n"),
        ('\r', "\\r"),
        ('\t', "\\t"),
        ('\u{7f}', "\\u{7f}"),
        ('\u{9b}', "\\u{9b}"),
        ('\u{85}', "\\u{85}"),
        ('\u{2028}', "\\u{2028}"),
        ('\u{202e}', "\\u{202e}"),
        ('\u{2066}', "\\u{2066}"),
        ('\u{200b}', "\\u{200b}"),
        ('\u{feff}', "\\u{feff}"),
        ('\u{ad}', "\\u{ad}"),
        ('\u{e0041}', "\\u{e0041}"),
    ];

    #[test]
    fn what_would_act_is_seen_instead() {
        for (c, seen) in ODD {
            assert_eq!(line(&format!("Zoë{c}!")), format!("Zoë{seen}!"));
        }
        assert_eq!(page("a\n\tb\r\u{1b}[2J"), "a\n\tb\\r\\u{1b}[2J");
    }

    #[test]
    fn what_people_write_stays_as_it_is() {
        for text in ["Zoë O'Brien", "Łukasz", "李雷", "עדה", "नेहा", "a\\b", "👩\u{fe0f}", "", " "]
        {
            assert!(matches!(line(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }

    #[test]
    fn a_json_document_says_the_same_and_does_nothing() {
        let said: String = ODD.iter().map(|(c, _)| *c).collect();
        let document = serde_json::to_string_pretty(&serde_json::json!({"name": said})).unwrap();
        let shown = json(&document);
        assert!(!shown.chars().any(|c| is_unseen(c) && c != '\n'), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read["name"], said.as_str());
    }
}
