//! HR: changes of records, and mistakes.

use std::sync::Arc;

use goldthread::sim::servicenow::CutList;

use crate::world::{Meanwhile, World};

fn usable(world: &World, person: &str) -> bool {
    world.stage.servicenow.value("sys_user", person, "active") == "true"
}

fn somebody(world: &mut World) -> Option<String> {
    let there = |id: &&String| usable(world, id);
    let people: Vec<String> = world.people[1..].iter().filter(there).cloned().collect();
    world.dice.pick(&people)
}

pub fn hire(world: &mut World) -> Option<String> {
    let person = world.hire();
    Some(format!("HR entered {}", world.name_of(&person)))
}

/// Another department, without any request.
pub fn transfer(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    let department = world.dice.pick(&world.stage.company.department_groups())?;
    let id = world.stage.company.department_id(department);
    world.stage.servicenow.update_person(&person, &[("department", &id)]);
    Some(format!("HR moved {} to {department}", world.name_of(&person)))
}

/// A new name, and with it a new address, which is the login.
pub fn rename(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    let name = format!("Renamed{}", world.dice.below(1000));
    let mail = format!("{}@example.com", name.to_lowercase());
    world.stage.servicenow.update_person(&person, &[("last_name", &name), ("email", &mail)]);
    world.truth.odd.insert(person.clone());
    Some(format!("HR renamed {} to {name}", world.name_of(&person)))
}

/// A record is deactivated, rightly or by mistake.
pub fn deactivate(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    world.stage.servicenow.update_person(&person, &[("active", "false")]);
    if world.stage.servicenow.switches().hide_inactive_users {
        // No list shows it.
        world.truth.doubts.insert(person.clone());
    }
    Some(format!("HR deactivated the record of {}", world.name_of(&person)))
}

/// The mistake is put right.
pub fn reactivate(world: &mut World) -> Option<String> {
    let inactive = |id: &&String| world.stage.servicenow.value("sys_user", id, "active") == "false";
    let people: Vec<String> = world.people.iter().filter(inactive).cloned().collect();
    let person = world.dice.pick(&people)?;
    world.stage.servicenow.update_person(&person, &[("active", "true")]);
    Some(format!("HR activated the record of {} again", world.name_of(&person)))
}

/// Somebody imports the wrong file: half of the company becomes inactive at once.
pub fn mistake(world: &mut World) -> Option<String> {
    if !world.mistaken.is_empty() {
        return None;
    }
    let there = |id: &&String| usable(world, id);
    let people: Vec<String> = world.people[1..].iter().filter(there).cloned().collect();
    let half: Vec<String> = people.iter().step_by(2).cloned().collect();
    for person in &half {
        world.stage.servicenow.update_person(person, &[("active", "false")]);
    }
    if world.stage.servicenow.switches().hide_inactive_users {
        world.truth.doubts.extend(half.iter().cloned());
    }
    let text = format!("HR deactivated {} records by mistake", half.len());
    world.mistaken = half;
    Some(text)
}

/// And imports the right one.
pub fn put_right(world: &mut World) -> Option<String> {
    let mistaken = std::mem::take(&mut world.mistaken);
    for person in &mistaken {
        world.stage.servicenow.update_person(person, &[("active", "true")]);
    }
    (!mistaken.is_empty()).then(|| format!("HR activated {} records again", mistaken.len()))
}

/// Two records with one address.
pub fn double(world: &mut World) -> Option<String> {
    let (person, other) = (somebody(world)?, somebody(world)?);
    let mail = world.stage.servicenow.value("sys_user", &other, "email");
    if person == other || mail.is_empty() {
        return None;
    }
    world.stage.servicenow.update_person(&person, &[("email", &mail)]);
    world.truth.odd.extend([person.clone(), other.clone()]);
    Some(format!("HR gave {} the address {mail}", world.name_of(&person)))
}

/// A field is emptied by mistake.
pub fn empty(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    let field = world.dice.pick(&["department", "manager", "last_name", "email"])?;
    world.stage.servicenow.update_person(&person, &[(field, "")]);
    world.truth.odd.insert(person.clone());
    if field == "email" {
        // It may be the address of somebody's manager.
        world.truth.managers_in_doubt = true;
    }
    Some(format!("HR emptied {field} of {}", world.name_of(&person)))
}

/// A record is deleted.
pub fn delete(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    let name = world.name_of(&person);
    world.stage.servicenow.delete_person(&person);
    // No row tells of it: the program may find out with its next complete read, or the one after.
    world.truth.doubts.insert(person);
    world.truth.managers_in_doubt = true;
    Some(format!("HR deleted the record of {name}"))
}

/// A script changes a record without any trace in its stamps.
pub fn behind(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    let department = world.dice.pick(&world.stage.company.department_groups())?;
    let changes: Vec<(&str, String)> = match world.dice.below(2) {
        0 => vec![("active", "false".to_owned())],
        _ => vec![("department", world.stage.company.department_id(department))],
    };
    let slices: Vec<(&str, &str)> = changes.iter().map(|(k, v)| (*k, v.as_str())).collect();
    world.stage.servicenow.update_silently("sys_user", &person, &slices);
    world.truth.doubts.insert(person.clone());
    Some(format!("a script set {changes:?} of {}", world.name_of(&person)))
}

/// A rule of access hides somebody's record from the program, for a while.
pub fn hide(world: &mut World) -> Option<String> {
    let person = somebody(world)?;
    world.stage.servicenow.set(|it| {
        it.hidden_rows.insert(person.clone());
    });
    Some(format!("the record of {} is hidden", world.name_of(&person)))
}

/// Or those of everybody who is inactive.
pub fn hide_inactive(world: &mut World) -> Option<String> {
    world.stage.servicenow.set(|it| it.hide_inactive_users = true);
    let inactive = |id: &&String| !usable(world, id);
    let inactive: Vec<String> = world.people.iter().filter(inactive).cloned().collect();
    // Whether they were seen to be inactive before it is not known.
    world.truth.doubts.extend(inactive);
    Some("inactive records are hidden".to_owned())
}

pub fn show(world: &mut World) -> Option<String> {
    world.stage.servicenow.set(|it| {
        it.hidden_rows.clear();
        it.hide_inactive_users = false;
    });
    Some("nothing is hidden".to_owned())
}

/// The next lists are cut by a quota, with status 200.
pub fn cut(world: &mut World) -> Option<String> {
    let after_rows = world.dice.place(6);
    let empty_element = world.dice.chance(0.5);
    let times = world.dice.pick(&[1, 2, 5])?;
    let cut = CutList { after_rows, empty_element, times };
    world.stage.servicenow.set(|it| it.cut_list = Some(cut));
    Some(format!("lists are cut: {cut:?}"))
}

/// HR is at work while the program reads.
pub fn meanwhile(world: &mut World) -> Option<(Meanwhile, String)> {
    let most = world.dice.weighted(&[(3, 6), (2, 15), (1, 40)]);
    let call = world.dice.below(most);
    let person = somebody(world)?;
    let servicenow = world.stage.servicenow.clone();
    let department = world.dice.pick(&world.stage.company.department_groups())?;
    let id = world.stage.company.department_id(department);
    let name = world.name_of(&person);
    let concerns = vec![person.clone()];
    let (text, act): (String, Arc<dyn Fn() + Send + Sync>) = if world.dice.chance(0.7) {
        let act = move || {
            servicenow.update_person(&person, &[("department", &id)]);
        };
        (format!("HR moves {name} to {department}"), Arc::new(act))
    } else {
        let act = move || {
            servicenow.update_person(&person, &[("active", "false")]);
        };
        (format!("HR deactivates {name}"), Arc::new(act))
    };
    let text = format!("{text} before call {call}");
    Some((Meanwhile::Rival { okta: false, call, act, concerns }, text))
}
