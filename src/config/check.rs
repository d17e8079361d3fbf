//! From the file as written to settings that can be used, with every problem said at its place.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use globset::{Glob, GlobSet, GlobSetBuilder};
use toml::Spanned;

use super::credential::Environment;
use super::file::{self, File, Text};
use super::{
    Close, Config, ConfigError, JournalField, Schedule, StoreSettings, Targets, Writeback,
};
use crate::model::Operation;
use crate::policy::expression::{CompileError, Expression};
use crate::policy::{
    Accounts, ApprovalSource, Disposal, GroupRule, InactiveRecord, Lookup, Policy, RequestRule,
    SuspendedElsewhere,
};
use crate::reconcile::limits::Limits;

/// The text of the file, for messages that name a line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub text: &'a str,
    pub path: &'a Path,
}

impl Source<'_> {
    fn at(&self, place: &Range<usize>, problem: &str) -> String {
        if *place == (0..0) {
            return format!("{}: {problem}", self.path.display());
        }
        let before = &self.text[..place.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        format!("{}:{line}:{column}: {problem}", self.path.display())
    }

    /// What the TOML reader found, with its line and the nearest right name.
    pub(crate) fn explain(&self, error: &toml::de::Error) -> String {
        let message = error.message().trim();
        let place = error.span().unwrap_or(0..0);
        let problem = match unknown_key(message) {
            None => message.to_owned(),
            Some((key, known)) => match nearest(&key, known.iter().map(String::as_str)) {
                Some(near) => format!("unknown key `{key}`; did you mean `{near}`?"),
                None => format!("unknown key `{key}`; known here: {}", known.join(", ")),
            },
        };
        self.at(&place, &problem)
    }
}

/// Takes "unknown field `x`, expected one of `a`, `b`" apart.
fn unknown_key(message: &str) -> Option<(String, Vec<String>)> {
    let rest = message.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once('`')?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((key.to_owned(), known))
}

fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), name))
        .filter(|(distance, name)| *distance <= name.len().max(word.len()).div_ceil(3))
        .min()
        .map(|(_, name)| name)
}

/// What to say behind a wrong word: the nearest right one, if any is near.
fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, quote: char) -> String {
    let near = nearest(word, known);
    near.map(|near| format!("; did you mean {quote}{near}{quote}?")).unwrap_or_default()
}

/// Collects problems while settings are made; any problem makes the whole unusable.
pub(super) struct Checker<'a> {
    pub(super) source: Source<'a>,
    pub(super) instance: Option<&'a str>,
    pub(super) environment: &'a Environment,
    problems: Vec<String>,
}

/// Checks everything, and gives either settings or all problems at once.
pub(crate) fn check(
    file: File,
    source: Source<'_>,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<Config, ConfigError> {
    let mut checker = Checker { source, instance, environment, problems: Vec::new() };
    let config = checker.config(file);
    match config {
        Some(config) if checker.problems.is_empty() => Ok(config),
        _ => Err(ConfigError::all(checker.problems)),
    }
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, place: &Range<usize>, text: impl AsRef<str>) {
        self.problems.push(self.source.at(place, text.as_ref()));
    }

    fn config(&mut self, file: File) -> Option<Config> {
        let observe = self.mode(file.mode.as_ref(), true);
        let schedule = self.schedule(&file.schedule);
        let File { identity, lifecycle, attribution, .. } = file;
        let profile = self.profile(&file.profile, identity.anchor.as_ref());
        let requests = file.request.iter().filter_map(|block| self.request(block)).collect();
        let groups = self.groups(&file.group);
        let limits = self.guard(&file.guard, &file.request);
        let writeback = self.writeback(&file.writeback);
        let state_done = writeback.as_ref().map_or("3", |w| w.state_done.as_str()).to_owned();
        let match_on = self.match_on(&identity.r#match, &profile);
        let accounts = [("requested", Accounts::Requested), ("active", Accounts::Active)];
        let inactive = [
            ("suspend", InactiveRecord::Suspend),
            ("deactivate", InactiveRecord::Deactivate),
            ("hold", InactiveRecord::Hold),
            ("report", InactiveRecord::Report),
        ];
        let elsewhere =
            [("report", SuspendedElsewhere::Report), ("apply", SuspendedElsewhere::Apply)];
        let policy = Policy {
            anchor: identity.anchor.map(Spanned::into_inner),
            match_on,
            accounts: self.word(&lifecycle.accounts, &accounts)?,
            inactive_record: self.word(&lifecycle.inactive_record, &inactive)?,
            suspended_elsewhere: self.word(&lifecycle.suspended_elsewhere, &elsewhere)?,
            create_ahead: self.duration(&lifecycle.create_ahead),
            activation_mail: lifecycle.activation_mail,
            unattributed: self.disposal(&attribution.unattributed)?,
            drift: self.disposal(&attribution.drift)?,
            timezone: schedule.as_ref().map_or(chrono_tz::UTC, |schedule| schedule.timezone),
            observe,
            profile,
            requests,
            groups,
        };
        let servicenow = self.servicenow(file.servicenow, &policy, state_done);
        let okta = self.okta(file.okta);
        let path = self.store_path(file.store.path.as_ref());
        let keep = self.duration(&file.store.keep);
        let leave = self.duration(&file.targets.leave);
        let targets = Targets { leave, join: self.duration(&file.targets.join) };
        let metrics = file.metrics.listen.and_then(|listen| {
            let address = listen.get_ref().parse().ok();
            if address.is_none() {
                let text = "an address is HOST:PORT in numbers, such as \"127.0.0.1:9464\"";
                self.problem(&listen.span(), text);
            }
            address
        });
        Some(Config {
            file: self.source.path.to_owned(),
            fingerprint: fingerprint(self.source.text),
            servicenow: servicenow?,
            okta: okta?,
            policy,
            limits: limits?,
            store: StoreSettings { path, keep },
            schedule: schedule?,
            writeback: writeback?,
            targets,
            metrics,
        })
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, text: &Text, words: &[(&str, T)]) -> Option<T> {
        let word = text.get_ref();
        if let Some((_, value)) = words.iter().find(|(name, _)| name == word) {
            return Some(*value);
        }
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let hint = hint(word, names.iter().copied(), '"');
        self.problem(&text.span(), format!("{word:?} is not one of {}{hint}", names.join(", ")));
        None
    }

    fn mode(&mut self, mode: Option<&Text>, default: bool) -> bool {
        mode.map_or(default, |mode| {
            self.word(mode, &[("observe", true), ("enforce", false)]).unwrap_or(true)
        })
    }

    fn disposal(&mut self, text: &Text) -> Option<Disposal> {
        self.word(
            text,
            &[("apply", Disposal::Apply), ("hold", Disposal::Hold), ("report", Disposal::Report)],
        )
    }

    /// Says that a text is not what it should be.
    fn is_not(&mut self, text: &Text, what: &str, behind: impl std::fmt::Display) {
        self.problem(&text.span(), format!("{:?} is not {what}{behind}", text.get_ref()));
    }

    fn duration(&mut self, text: &Text) -> Duration {
        humantime::parse_duration(text.get_ref()).unwrap_or_else(|error| {
            self.is_not(text, "a duration such as \"5s\" or \"400 days\": ", error);
            Duration::ZERO
        })
    }

    /// A percentage between 0 and 100, as a share.
    pub(super) fn share(&mut self, text: &Text) -> f64 {
        let number = text.get_ref().trim().strip_suffix('%').and_then(|n| n.trim().parse().ok());
        let percent = number.filter(|percent| (0.0..=100.0).contains(percent));
        percent.unwrap_or_else(|| {
            self.is_not(text, "a percentage such as \"50%\"", "");
            0.0
        }) / 100.0
    }

    fn expression(&mut self, text: &Text, roots: &[&str]) -> Option<Expression> {
        let compiled = Expression::compile(text.get_ref(), roots);
        let refused = |error| {
            let hint = match &error {
                CompileError::Root { name, .. } => hint(name, roots.iter().copied(), '`'),
                _ => String::new(),
            };
            self.problem(&text.span(), format!("{error}{hint}"));
        };
        compiled.map_err(refused).ok()
    }

    fn schedule(&mut self, written: &file::Schedule) -> Option<Schedule> {
        let poll = self.duration(&written.poll);
        if poll < Duration::from_secs(1) {
            self.problem(&written.poll.span(), "the poll must be at least \"1s\"");
        }
        let zone = written.timezone.get_ref();
        let timezone = chrono_tz::Tz::from_str(zone).ok();
        if timezone.is_none() {
            let near = hint(zone, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()), '"');
            self.is_not(&written.timezone, "a time zone such as \"Europe/Berlin\"", near);
        }
        let full = cron::Schedule::from_str(written.full.get_ref());
        let full = full.map_err(|error| {
            let what = "a cron schedule with seconds, such as \"0 0 3 * * *\": ";
            self.is_not(&written.full, what, error);
        });
        let full = full.ok();
        Some(Schedule { poll, full: full?, timezone: timezone? })
    }

    fn profile(
        &mut self,
        written: &Spanned<BTreeMap<String, Text>>,
        anchor: Option<&Text>,
    ) -> BTreeMap<String, Expression> {
        let mut profile = BTreeMap::new();
        for (attribute, text) in written.get_ref() {
            if matches!(attribute.as_str(), "id" | "status" | "created" | "lastUpdated") {
                let problem =
                    format!("`{attribute}` is not a profile attribute that can be written");
                self.problem(&text.span(), problem);
            }
            if anchor.is_some_and(|anchor| anchor.get_ref() == attribute) {
                let problem =
                    format!("`{attribute}` is identity.anchor, which Goldthread fills by itself");
                self.problem(&text.span(), problem);
            }
            if let Some(expression) = self.expression(text, &["user"]) {
                profile.insert(attribute.clone(), expression);
            }
        }
        for needed in ["login", "email"] {
            if !written.get_ref().contains_key(needed) {
                let problem =
                    format!("[profile] must say where `{needed}` comes from: Okta requires it");
                self.problem(&written.span(), problem);
            }
        }
        profile
    }

    fn match_on(
        &mut self,
        written: &Spanned<Vec<String>>,
        profile: &BTreeMap<String, Expression>,
    ) -> Vec<String> {
        let mut names = written.get_ref().clone();
        if written.span() == (0..0) {
            // The default names employeeNumber, which an organization may not map.
            names.retain(|name| profile.contains_key(name));
        }
        for name in &names {
            if !profile.contains_key(name) {
                let hint = hint(name, profile.keys().map(String::as_str), '`');
                let problem =
                    format!("identity.match names `{name}`, which [profile] does not map{hint}");
                self.problem(&written.span(), problem);
            }
        }
        if names.is_empty() {
            self.problem(&written.span(), "identity.match must name at least one attribute");
        }
        names
    }

    fn request(&mut self, block: &Spanned<file::Request>) -> Option<RequestRule> {
        const ROOTS: [&str; 2] = ["variables", "request"];
        let written = block.get_ref();
        let item = &written.item;
        if item.get_ref().trim().is_empty() {
            self.problem(&item.span(), "`item` is empty: give a catalog item's sys_id or name");
        }
        let words = Operation::ALL.map(|operation| (operation.as_str(), operation));
        let operation = self.word(&written.operation, &words)?;
        let named = operation.as_str();
        let grants = matches!(operation, Operation::Grant | Operation::Revoke);
        if written.person.is_none() && !grants {
            let problem = format!(
                "a {named} must say whom it is for: add `person` (only grant and revoke may leave it out)"
            );
            self.problem(&block.span(), problem);
        }
        if grants && written.groups.is_none() {
            let problem = format!("a {named} must say which groups: add `groups`");
            self.problem(&block.span(), problem);
        }
        if let (Some(lookup), None) = (&written.lookup, &written.groups) {
            self.problem(&lookup.span(), "`lookup` says how to read `groups`, and there is none");
        }
        let is_leave = operation == Operation::Leave;
        for (text, of_leave, problem) in [
            (&written.starts, false, "a leave has `last_day` instead of `starts`"),
            (&written.ends, false, "a leave has `last_day` instead of `ends`"),
            (&written.last_day, true, "only a leave has a `last_day`; write `ends`"),
        ] {
            if let Some(text) = text.as_ref().filter(|_| is_leave != of_leave) {
                self.problem(&text.span(), problem);
            }
        }
        let sources = [
            ("item", ApprovalSource::Item),
            ("order", ApprovalSource::Order),
            ("none", ApprovalSource::None),
        ];
        let approval = written.approval.as_ref().map(|text| self.word(text, &sources));
        let approval = approval.unwrap_or(Some(ApprovalSource::Item))?;
        let lookup = written.lookup.as_ref().map(Spanned::get_ref);
        let mut compile =
            |text: &Option<Text>| text.as_ref().and_then(|text| self.expression(text, &ROOTS));
        Some(RequestRule {
            item: item.get_ref().trim().to_owned(),
            when: compile(&written.when),
            operation,
            approval,
            person: compile(&written.person),
            groups: compile(&written.groups),
            lookup: lookup.map(|it| Lookup { table: it.table.clone(), column: it.column.clone() }),
            starts: compile(&written.starts),
            ends: compile(&written.ends),
            last_day: compile(&written.last_day),
            observe: self.mode(written.mode.as_ref(), false),
        })
    }

    fn groups(&mut self, written: &[Spanned<file::Group>]) -> Vec<GroupRule> {
        let mut rules: Vec<GroupRule> = Vec::new();
        for block in written {
            let file::Group { name, when, members, mode } = block.get_ref();
            if rules.iter().any(|rule| rule.name == *name.get_ref()) {
                let problem = format!(
                    "the group {:?} has two blocks; join their `when` with ||",
                    name.get_ref()
                );
                self.problem(&name.span(), problem);
            }
            let exact = members.as_ref().is_none_or(|members| {
                self.word(members, &[("exact", true), ("additive", false)]).unwrap_or(false)
            });
            let observe = self.mode(mode.as_ref(), false);
            if let Some(when) = self.expression(when, &["user"]) {
                rules.push(GroupRule { name: name.get_ref().clone(), when, exact, observe });
            }
        }
        rules
    }

    fn guard(
        &mut self,
        written: &file::Guard,
        requests: &[Spanned<file::Request>],
    ) -> Option<Limits> {
        let granting = requests.iter().find(|block| {
            let request = block.get_ref();
            request.groups.is_some() && request.operation.get_ref() != "revoke"
        });
        if let (Some(block), None) = (granting, &written.grantable_groups) {
            self.problem(
                &block.span(),
                "this item can grant groups: say which in guard.grantable_groups, such as [\"app-*\"], \
                 or [\"*\"] for any",
            );
        }
        let grantable = self.globs(written.grantable_groups.as_deref().unwrap_or_default());
        Some(Limits {
            protected_users: written.protected_users.clone(),
            protected_groups: written.protected_groups.clone(),
            grantable_groups: grantable?,
            sentinels: written.sentinels.clone(),
            window: self.duration(&written.window),
            max_disabled: written.max_disabled,
            max_disabled_share: self.share(&written.max_disabled_share),
            max_removed: written.max_removed,
            max_group_share: self.share(&written.max_group_share),
            max_changed: written.max_changed,
            max_changed_share: self.share(&written.max_changed_share),
            max_people_drop: self.share(&written.max_people_drop),
            max_accounts_drop: self.share(&written.max_accounts_drop),
            max_repeats: written.max_repeats,
        })
    }

    fn globs(&mut self, written: &[Text]) -> Option<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for text in written {
            match Glob::new(text.get_ref()) {
                Ok(glob) => {
                    set.add(glob);
                }
                Err(error) => self.problem(&text.span(), error.to_string()),
            }
        }
        set.build().ok()
    }

    fn writeback(&mut self, written: &file::Writeback) -> Option<Writeback> {
        let fields =
            [("work_notes", JournalField::WorkNotes), ("comments", JournalField::Comments)];
        let closes = [("item", Close::Item), ("task", Close::Task), ("none", Close::None)];
        if written.state_done.get_ref().trim().is_empty() {
            self.problem(&written.state_done.span(), "`state_done` is empty: 3 is Closed Complete");
        }
        let close = self.word(&written.close, &closes);
        let note = self.word(&written.note, &fields);
        let held_note = self.word(&written.held_note, &fields);
        Some(Writeback {
            enabled: written.enabled,
            close: close?,
            state_done: written.state_done.get_ref().trim().to_owned(),
            note: note?,
            held_note: held_note?,
        })
    }

    fn store_path(&mut self, path: Option<&Text>) -> PathBuf {
        if let Some(path) = path {
            if path.get_ref().is_empty() {
                self.problem(&path.span(), "`path` is empty");
            }
            let folder = self.source.path.parent().unwrap_or(Path::new("."));
            return folder.join(path.get_ref());
        }
        usual_store(self.instance, self.environment)
    }
}

/// Where the store is unless the file says otherwise. From a root shell: where the unit has it.
pub(super) fn usual_store(instance: Option<&str>, environment: &Environment) -> PathBuf {
    let of = instance.map(|instance| format!("-{instance}")).unwrap_or_default();
    let of_unit = format!("/var/lib/goldthread{of}");
    let folder = environment.get("STATE_DIRECTORY").unwrap_or(&of_unit);
    // systemd gives several, separated by colons, where a unit has several.
    Path::new(folder.split(':').next().unwrap_or(folder)).join("goldthread.db")
}

/// A newer version may mean something else by the same text.
fn fingerprint(text: &str) -> String {
    let hash = digest(&SHA256, format!("{}\n{text}", env!("CARGO_PKG_VERSION")).as_bytes());
    hash.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}
