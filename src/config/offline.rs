//! What the commands need of a configuration that look into the store and ask neither system. A
//! mistake elsewhere in the file does not stop them: they are what one turns to when something is wrong.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::check::usual_store;
use super::{Config, ConfigError, Environment, Targets, base, parse, read};
use crate::store::{Orgs, Store};

/// What the commands need that only look into the store, or write a decision into it.
#[derive(Debug)]
pub struct Offline {
    pub(crate) file: PathBuf,
    /// Where the SQLite file is.
    pub(crate) store: PathBuf,
    /// The two systems that the store belongs to; `None` where the file does not say that well.
    pub(crate) orgs: Option<Orgs>,
    /// It says that nothing is written.
    pub(crate) observe: bool,
    pub(crate) targets: Targets,
}

impl Config {
    /// The part of it that needs neither system.
    pub fn offline(&self) -> Offline {
        Offline {
            file: self.file.clone(),
            store: self.store.path.clone(),
            orgs: Some(self.orgs()),
            observe: self.policy.observe,
            targets: self.targets,
        }
    }
}

/// Reads what can be read of a configuration without its secrets. Gives also what is wrong with the
/// rest of it.
///
/// Where the file does not say well where the store is, it is where it usually is; a file that says
/// nothing at all, and no store there, is an error.
pub fn load_offline(
    path: &Path,
    instance: Option<&str>,
    environment: &Environment,
) -> Result<(Offline, Option<ConfigError>), ConfigError> {
    let text = read(path)?;
    let environment = Environment { without_secrets: true, ..environment.clone() };
    match parse(&text, path, instance, &environment) {
        Ok(config) => Ok((config.offline(), None)),
        Err(mistake) => match salvage(&text, path, instance, &environment) {
            Some(offline) => Ok((offline, Some(mistake))),
            None => Err(mistake),
        },
    }
}

fn salvage(
    text: &str,
    path: &Path,
    instance: Option<&str>,
    environment: &Environment,
) -> Option<Offline> {
    let file: toml::Table = text.parse().unwrap_or_default();
    let value = |section: &str, key: &str| file.get(section)?.get(key)?.as_str();
    let written = value("store", "path").filter(|written| !written.is_empty());
    let beside = |written: &str| path.parent().unwrap_or(Path::new(".")).join(written);
    // That it may not be looked at is for whoever opens it to say.
    let usual = || {
        let usual = usual_store(instance, environment);
        Store::is_there(&usual).unwrap_or(true).then_some(usual)
    };
    let store = written.map(beside).or_else(usual)?;
    let url = |section: &str| Some(base(&Url::parse(value(section, "url")?).ok()?));
    let orgs = url("servicenow").zip(url("okta"));
    let target = |key: &str, usual: u64| {
        let written = value("targets", key).and_then(|text| humantime::parse_duration(text).ok());
        written.unwrap_or(Duration::from_secs(usual))
    };
    Some(Offline {
        file: path.to_owned(),
        store,
        orgs: orgs.map(|(servicenow, okta)| Orgs { servicenow, okta }),
        observe: file.get("mode").and_then(toml::Value::as_str) != Some("enforce"),
        targets: Targets { leave: target("leave", 120), join: target("join", 30) },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offline(text: &str) -> Result<(Offline, Option<String>), String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, text).unwrap();
        let empty = folder.path().join("state");
        let variables = [("STATE_DIRECTORY".to_owned(), empty.display().to_string())];
        let environment = Environment { variables: variables.into(), ..Environment::default() };
        let loaded = load_offline(&path, None, &environment);
        loaded
            .map(|(offline, mistake)| (offline, mistake.map(|mistake| mistake.to_string())))
            .map_err(|error| error.to_string())
    }

    const GOOD: &str = r#"
mode = "enforce"
[servicenow]
url = "https://example.service-now.com"
auth = { kind = "basic", username = "svc", password = "env:NOT_SET" }
[okta]
url = "https://example.okta.com/"
auth = { kind = "token", token = "env:NOT_SET" }
[store]
path = "here.db"
[profile]
login = "user.email"
email = "user.email"
[targets]
leave = "5 minutes"
"#;

    #[test]
    fn a_good_configuration_needs_no_secrets_and_has_no_mistake() {
        let (offline, mistake) = offline(GOOD).unwrap();
        assert_eq!(mistake, None);
        assert!(!offline.observe && offline.store.ends_with("here.db"));
    }

    #[test]
    fn a_mistake_elsewhere_is_told_with_its_line_and_stops_nobody() {
        for (from, to, line) in [
            ("email = \"user.email\"", "email = \"user.(\"", 13),
            ("[profile]", "colour = 1\n[profile]", 11),
            ("kind = \"token\"", "kind = \"magic\"", 8),
            ("leave = \"5 minutes\"", "leave = \"soon\"", 15),
            ("[profile]", "[profil]", 0),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let (offline, mistake) = offline(&GOOD.replacen(from, to, 1)).unwrap();
            let mistake = mistake.unwrap_or_else(|| panic!("{to} is taken"));
            let place = if line == 0 { "config.toml".to_owned() } else { format!("toml:{line}:") };
            assert!(mistake.contains(&place), "{mistake}");
            assert!(!offline.observe && offline.store.ends_with("here.db"), "{to}");
            let orgs = offline.orgs.expect("both addresses are readable");
            assert_eq!(orgs.okta, "https://example.okta.com");
        }
    }

    #[test]
    fn an_address_that_nobody_can_read_says_nothing_about_whose_the_store_is() {
        let (offline, mistake) =
            offline(&GOOD.replacen("https://example.okta.com/", "example", 1)).unwrap();
        assert!(mistake.is_some());
        assert_eq!(offline.orgs, None);
    }

    #[test]
    fn where_it_does_not_say_where_the_store_is_and_none_is_where_it_usually_is_it_is_refused() {
        for (from, to) in [
            ("[store]", "[store"),
            ("path = \"here.db\"", "path = \"\""),
            ("path = \"here.db\"", "path = 7"),
            ("[store]", "[stoer]"),
        ] {
            let error = offline(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains("config.toml"), "{error}");
        }
    }

    #[test]
    fn the_store_is_looked_for_where_it_usually_is() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        std::fs::create_dir(&state).unwrap();
        std::fs::write(state.join("goldthread.db"), "").unwrap();
        let path = folder.path().join("config.toml");
        std::fs::write(&path, "[store").unwrap();
        let variables = [("STATE_DIRECTORY".to_owned(), state.display().to_string())];
        let environment = Environment { variables: variables.into(), ..Environment::default() };
        let (offline, mistake) = load_offline(&path, None, &environment).unwrap();
        assert_eq!(offline.store, state.join("goldthread.db"));
        assert!(mistake.unwrap().to_string().contains("config.toml:1"));
    }
}
