//! A company to play with: the same people, groups and catalog for the same seed.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::servicenow::{ServiceNow, derived_id};

mod catalog;
mod config;
mod orders;

pub use config::{References, example_config, example_config_with};
pub use orders::{Operation, Order};

/// One person of the company.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The `sys_id` of the row; most are 32 hex signs, a few are not.
    pub sys_id: String,
    /// The user name.
    pub user_name: String,
    /// The e-mail address, unique.
    pub email: String,
    /// The first name.
    pub first_name: String,
    /// The last name.
    pub last_name: String,
    /// The employee number, with leading zeros.
    pub employee_number: String,
    /// The title.
    pub title: String,
    /// The department's name.
    pub department: String,
    /// The location's name.
    pub location: String,
    /// The mobile phone.
    pub mobile_phone: String,
    /// The manager's place in [`Company::people`]; the first person has none.
    pub manager: Option<usize>,
    /// The manager's e-mail address.
    pub manager_email: Option<String>,
    /// Whether the person is to join: HR has the record, Okta should have no account yet.
    pub newcomer: bool,
}

impl Person {
    /// The profile of the Okta account that agrees with the record.
    pub fn okta_profile(&self) -> BTreeMap<String, String> {
        let mut profile = BTreeMap::new();
        for (attribute, value) in [
            ("login", &self.email),
            ("email", &self.email),
            ("firstName", &self.first_name),
            ("lastName", &self.last_name),
            ("employeeNumber", &self.employee_number),
            ("department", &self.department),
        ] {
            profile.insert(attribute.to_owned(), value.clone());
        }
        if let Some(manager) = &self.manager_email {
            profile.insert("manager".to_owned(), manager.clone());
        }
        profile
    }
}

/// Departments, each with its share of the people; each has an Okta group of the same name.
const DEPARTMENTS: [(&str, u32); 7] = [
    ("Engineering", 34),
    ("Sales", 22),
    ("Customer Support", 14),
    ("Finance", 8),
    ("Marketing", 10),
    ("People", 6),
    ("Operations", 6),
];

/// Okta groups that are asked for.
const ACCESS: [&str; 7] = [
    "app-gitlab",
    "app-salesforce",
    "app-jira",
    "app-figma",
    "app-datadog",
    "app-netsuite",
    "VPN Users",
];

const LOCATIONS: [(&str, &str, &str); 6] = [
    ("Zürich HQ", "Zürich", "CH"),
    ("Paris 9e", "Paris", "FR"),
    ("Málaga Hub", "Málaga", "ES"),
    ("Dublin Docks", "Dublin", "IE"),
    ("Austin Office", "Austin", "US"),
    ("Kraków Campus", "Kraków", "PL"),
];

const FIRST_NAMES: [&str; 40] = [
    "Aïcha", "Jane", "René", "Íñigo", "Sinéad", "Zoë", "Björn", "Łukasz", "Chloé", "Mary Ann",
    "José", "Ana", "Wei", "Priya", "Omar", "Yuki", "Fatima", "Noah", "Ava", "Liam", "Olga",
    "Mateo", "Hannah", "Kofi", "Ingrid", "Tariq", "Elena", "Samuel", "Nguyệt", "Marek", "Grace",
    "Dmitri", "Lucía", "Peter", "Amélie", "Hugo", "Sofie", "Jean-Luc", "Leila", "Tom",
];

const LAST_NAMES: [&str; 40] = [
    "O'Neil",
    "Müller",
    "García",
    "Núñez",
    "D'Angelo",
    "Kowalska",
    "Lefèvre",
    "Smith",
    "van den Berg",
    "Øster",
    "Nguyen",
    "Patel",
    "Tanaka",
    "Haddad",
    "Johnson",
    "Ivanova",
    "Silva",
    "Okafor",
    "Lindström",
    "Rossi",
    "Weber",
    "Brown",
    "O’Connor",
    "Peña",
    "Dubois",
    "Novák",
    "Mac Giolla",
    "Kim",
    "Sánchez",
    "Fischer",
    "Jensen",
    "Costa",
    "Murphy",
    "Çelik",
    "Horvát",
    "Moreau",
    "Walsh",
    "Schmidt-Klein",
    "Bakker",
    "Hall",
];

const TITLES: [&str; 6] =
    ["Specialist", "Senior Specialist", "Analyst", "Engineer", "Coordinator", "Team Lead"];

/// A company; the first person is its chief.
#[derive(Clone, Debug)]
pub struct Company {
    seed: u64,
    people: Vec<Person>,
}

impl Company {
    /// A company of so many people (at least one). About one in ten is a newcomer.
    pub fn new(seed: u64, people: usize) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut company = Self { seed, people: Vec::new() };
        for at in 0..people.max(1) {
            let person = company.draw(&mut random, at);
            company.people.push(person);
        }
        company
    }

    fn draw(&self, random: &mut StdRng, at: usize) -> Person {
        let first_name = pick(random, &FIRST_NAMES);
        let last_name = pick(random, &LAST_NAMES);
        let plain = format!("{}.{}", ascii(first_name), ascii(last_name));
        // Some have plus signs, apostrophes or capitals in their addresses, and each is unique.
        let email = match at % 40 {
            7 => format!("{plain}+{at}@example.com"),
            13 => format!("o'{plain}{at}@example.com"),
            21 => format!("{}{at}@example.com", capital(&plain)),
            _ => format!("{plain}{at}@example.com"),
        };
        let department = match at {
            0 => "Operations",
            _ => weighted(random),
        };
        // A tree: about eight people report to one.
        let manager = at.checked_sub(1).map(|before| before / 8);
        Person {
            sys_id: self.person_id(at),
            user_name: format!("{plain}{at}"),
            email,
            first_name: first_name.to_owned(),
            last_name: last_name.to_owned(),
            employee_number: format!("{:06}", 1200 + at),
            title: if at == 0 {
                "Chief Executive".to_owned()
            } else {
                pick(random, &TITLES).to_owned()
            },
            department: department.to_owned(),
            location: LOCATIONS.choose(random).map_or("", |it| it.0).to_owned(),
            mobile_phone: format!("+41 79 {:03} {:02} {:02}", at % 1000, at / 1000 % 100, at % 100),
            manager,
            manager_email: manager.and_then(|it| self.people.get(it)).map(|it| it.email.clone()),
            newcomer: at > 0 && random.random_range(0..10) == 0,
        }
    }

    fn person_id(&self, at: usize) -> String {
        let id = derived_id(self.seed, "person", at as u64);
        match at % 61 {
            17 => format!("{id}x"),
            29 => format!("hr_Import_{at}"),
            43 => id[..30].to_uppercase(),
            _ => id,
        }
    }

    /// The people, the chief first; the service account of the API user is not one of them.
    pub fn people(&self) -> &[Person] {
        &self.people
    }

    /// The person with this `sys_id`.
    pub fn person(&self, sys_id: &str) -> Option<&Person> {
        self.people.iter().find(|it| it.sys_id == sys_id)
    }

    /// The names of all Okta groups: those of the departments and those for access.
    pub fn groups(&self) -> Vec<&'static str> {
        self.department_groups().into_iter().chain(self.access_groups()).collect()
    }

    /// The groups that a person belongs to by department; their names are the departments'.
    pub fn department_groups(&self) -> Vec<&'static str> {
        DEPARTMENTS.iter().map(|(name, _)| *name).collect()
    }

    /// The groups that are asked for.
    pub fn access_groups(&self) -> Vec<&'static str> {
        ACCESS.to_vec()
    }

    /// The `sys_id` in `u_okta_group` of a group; orders name groups so.
    pub fn group_id(&self, name: &str) -> String {
        let at = self.groups().iter().position(|it| *it == name);
        derived_id(self.seed, "group", at.unwrap_or(usize::MAX) as u64)
    }

    /// The `sys_id` of a department.
    pub fn department_id(&self, name: &str) -> String {
        let at = DEPARTMENTS.iter().position(|it| it.0 == name);
        derived_id(self.seed, "department", at.unwrap_or(usize::MAX) as u64)
    }

    /// The `sys_id` of a catalog item.
    pub fn item_id(&self, name: &str) -> Option<String> {
        let items = catalog::items(self.seed).into_iter();
        items.filter(|it| it.name == name).find_map(|it| it.sys_id)
    }

    /// Puts people, groups and the catalog into an instance.
    pub fn load(&self, into: &ServiceNow) {
        let id = |kind: &str, at: usize| derived_id(self.seed, kind, at as u64);
        let company = id("company", 0);
        into.insert(
            "core_company",
            &[("sys_id", &company), ("name", "Example Corp"), ("city", "Zürich")],
        );
        for (at, (name, city, country)) in LOCATIONS.iter().enumerate() {
            let values = [
                ("sys_id", id("location", at)),
                ("name", (*name).to_owned()),
                ("city", (*city).to_owned()),
                ("country", (*country).to_owned()),
            ];
            into.insert(
                "cmn_location",
                &values.each_ref().map(|(column, value)| (*column, value.as_str())),
            );
        }
        for (at, (name, _)) in DEPARTMENTS.iter().enumerate() {
            let code = format!("D{:03}", at * 10);
            let head = self.people.get(at).map_or("", |it| it.sys_id.as_str());
            let values = [
                ("sys_id", id("department", at)),
                ("name", (*name).to_owned()),
                ("id", code),
                ("dept_head", head.to_owned()),
                ("company", company.clone()),
            ];
            into.insert(
                "cmn_department",
                &values.each_ref().map(|(column, value)| (*column, value.as_str())),
            );
        }
        for person in &self.people {
            let department = DEPARTMENTS.iter().position(|it| it.0 == person.department);
            let location = LOCATIONS.iter().position(|it| it.0 == person.location);
            let manager = person.manager.and_then(|it| self.people.get(it));
            into.add_person(&[
                ("sys_id", &person.sys_id),
                ("user_name", &person.user_name),
                ("email", &person.email),
                ("first_name", &person.first_name),
                ("last_name", &person.last_name),
                ("employee_number", &person.employee_number),
                ("title", &person.title),
                ("mobile_phone", &person.mobile_phone),
                ("company", &company),
                ("identity_type", "human"),
                ("department", &department.map_or_else(String::new, |at| id("department", at))),
                ("location", &location.map_or_else(String::new, |at| id("location", at))),
                ("manager", manager.map_or("", |it| it.sys_id.as_str())),
            ]);
        }
        for name in self.groups() {
            into.insert("u_okta_group", &[("sys_id", &self.group_id(name)), ("u_name", name)]);
        }
        for item in catalog::items(self.seed) {
            into.add_item(&item);
        }
    }
}

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from.choose(random).copied().unwrap_or_default()
}

fn weighted(random: &mut StdRng) -> &'static str {
    let mut left = random.random_range(0..DEPARTMENTS.iter().map(|it| it.1).sum());
    for (name, share) in DEPARTMENTS {
        if left < share {
            return name;
        }
        left -= share;
    }
    "Operations"
}

/// What a mail administrator makes of a name: lower case, no marks, no blanks.
fn ascii(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    let plain = name.to_lowercase().replace('ł', "l").replace('ø', "o");
    plain.nfd().filter(char::is_ascii_alphanumeric).collect()
}

fn capital(text: &str) -> String {
    let mut signs = text.chars();
    signs.next().map_or_else(String::new, |first| first.to_uppercase().chain(signs).collect())
}

#[cfg(test)]
mod tests;
