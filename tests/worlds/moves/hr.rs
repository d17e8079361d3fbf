//! HR: changes of records, and mistakes.

use crate::world::World;

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
