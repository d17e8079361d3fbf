//! The brake: who paused writing to both sides, who lifted that, when and why. Append-only, so that
//! it can be told later.

use rusqlite::named_params;

use super::columns::{At, spelled_here};
use super::{Brake, Result};
use crate::model::pause::PausedSpan;
use crate::model::{Pause, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Pause,
    Resume,
}

spelled_here! {
    Word, "word to the brake", Pause = "pause", Resume = "resume";
}

/// The end of a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// The login name of who said it, also behind `sudo`.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// The reason, where one was given.
    pub because: Option<String>,
}

/// A word to the brake that no cycle had noticed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News {
    Paused(Pause),
    Resumed(Resumed),
}

impl Brake<'_> {
    /// The pause that is in force, if one is.
    pub fn in_force(&self) -> Result<Option<Pause>> {
        let sql = "SELECT word, at, said_by, because FROM brake ORDER BY id DESC LIMIT 1";
        let newest = self.0.one(sql, [], |row| {
            let (word, At(at)): (Word, At) = (row.get(0)?, row.get(1)?);
            let because: Option<String> = row.get(3)?;
            Ok((word, Pause { by: row.get(2)?, at, because: because.unwrap_or_default() }))
        })?;
        Ok(newest.and_then(|(word, pause)| (word == Word::Pause).then_some(pause)))
    }

    /// Pauses, unless that is so already: then nothing is recorded, and the pause in force is given.
    pub fn pause(&self, said: &Pause) -> Result<Option<Pause>> {
        self.0.atomically(|| {
            let before = self.in_force()?;
            if before.is_none() {
                self.record(Word::Pause, said.at, &said.by, Some(&said.because))?;
            }
            Ok(before)
        })
    }

    /// Ends the pause in force and gives it; without one nothing is recorded. Everybody who was not
    /// as they should be when they were last decided about is due at once.
    pub fn resume(&self, said: &Resumed) -> Result<Option<Pause>> {
        self.0.atomically(|| {
            let before = self.in_force()?;
            if before.is_some() {
                self.record(Word::Resume, said.at, &said.by, said.because.as_deref())?;
                let sql = "INSERT INTO queue (person, due_at)
                     SELECT subject, ?1 FROM open_items WHERE kind = 'person'
                     UNION SELECT person, ?1 FROM facts WHERE in_sync_once = 0
                     ON CONFLICT (person) DO UPDATE SET due_at = min(due_at, ?1)";
                self.0.run(sql, [At(said.at)])?;
                self.0.queue().call_left_by_pause(said.at)?;
            }
            Ok(before)
        })
    }

    fn record(&self, word: Word, at: Timestamp, by: &str, because: Option<&str>) -> Result<()> {
        let row = named_params! {
            "word": word,
            "at": At(at),
            "said_by": by,
            "because": because,
        };
        self.0.insert("brake", row, "")
    }

    /// Every pause, in its order.
    pub(crate) fn spans(&self) -> Result<Vec<PausedSpan>> {
        let sql = "SELECT word, at FROM brake ORDER BY id";
        let words: Vec<(Word, At)> = self.0.all(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut spans: Vec<PausedSpan> = Vec::new();
        for (word, At(at)) in words {
            match word {
                Word::Pause => spans.push(PausedSpan { from: at, until: None }),
                Word::Resume => spans.iter_mut().rev().take(1).for_each(|it| it.until = Some(at)),
            }
        }
        Ok(spans)
    }

    /// Whether somebody said something that no cycle has noticed yet.
    pub(crate) fn has_news(&self) -> Result<bool> {
        self.0.value("SELECT EXISTS (SELECT 1 FROM brake WHERE seen = 0)", [])
    }

    /// What was said since the last cycle, which is no news from now on.
    pub(crate) fn take_news(&self) -> Result<Vec<News>> {
        if !self.has_news()? {
            return Ok(Vec::new());
        }
        self.0.atomically(|| {
            let sql = "SELECT word, at, said_by, because FROM brake WHERE seen = 0 ORDER BY id";
            let news = self.0.all(sql, [], |row| {
                let (word, At(at)): (Word, At) = (row.get(0)?, row.get(1)?);
                let (by, because): (String, Option<String>) = (row.get(2)?, row.get(3)?);
                Ok(match word {
                    Word::Pause => {
                        News::Paused(Pause { by, at, because: because.unwrap_or_default() })
                    }
                    Word::Resume => News::Resumed(Resumed { by, at, because }),
                })
            })?;
            self.0.run("UPDATE brake SET seen = 1 WHERE seen = 0", [])?;
            Ok(news)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SysId;
    use crate::store::tests::store;

    fn noon(minutes: i64) -> Timestamp {
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        noon + chrono::Duration::minutes(minutes)
    }

    fn pause(by: &str, at: Timestamp) -> Pause {
        Pause { by: by.to_owned(), at, because: "a wrong mapping".to_owned() }
    }

    fn resumed(at: Timestamp) -> Resumed {
        Resumed { by: "sam".to_owned(), at, because: None }
    }

    #[test]
    fn the_first_pause_stands_until_it_is_lifted_and_both_can_be_told_later() {
        let (_folder, store) = store();
        let brake = store.brake();
        assert_eq!(brake.in_force().unwrap(), None);
        assert_eq!(brake.resume(&resumed(noon(0))).unwrap(), None);
        let first = pause("pat", noon(1));
        assert_eq!(brake.pause(&first).unwrap(), None);
        assert_eq!(brake.pause(&pause("sam", noon(2))).unwrap(), Some(first.clone()));
        assert_eq!(brake.in_force().unwrap(), Some(first.clone()));
        assert_eq!(brake.resume(&resumed(noon(3))).unwrap(), Some(first.clone()));
        assert_eq!(brake.resume(&resumed(noon(4))).unwrap(), None);
        assert_eq!(brake.in_force().unwrap(), None);
        let second = pause("pat", noon(5));
        assert_eq!(brake.pause(&second).unwrap(), None);

        let spans = [
            PausedSpan { from: noon(1), until: Some(noon(3)) },
            PausedSpan { from: noon(5), until: None },
        ];
        assert_eq!(brake.spans().unwrap(), spans);
        let told = [News::Paused(first), News::Resumed(resumed(noon(3))), News::Paused(second)];
        assert_eq!(brake.take_news().unwrap(), told);
        assert!(!brake.has_news().unwrap());
        assert_eq!(brake.take_news().unwrap(), []);
    }

    #[test]
    fn whoever_a_pause_left_something_of_is_due_when_it_ends() {
        let (_folder, store) = store();
        let [left, later] = ["p1", "p2"].map(|id| SysId::parse(id).unwrap());
        let queue = store.queue();
        for person in [&left, &later] {
            queue.complete(person, Some(noon(60))).unwrap();
        }
        queue.leave_by_pause(&left, 3).unwrap();
        store.brake().pause(&pause("pat", noon(1))).unwrap();
        assert_eq!(queue.due(noon(10)).unwrap(), []);
        store.brake().resume(&resumed(noon(10))).unwrap();
        assert_eq!(queue.due(noon(10)).unwrap(), std::slice::from_ref(&left));
    }
}
