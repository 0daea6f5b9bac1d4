//! Tests of the profile table.

use super::*;

fn table() -> Table {
    Table::seeded(&Options { profiles: 3, ..Options::default() })
}

#[test]
fn a_profile_is_found_by_id_and_by_address() {
    let table = table();
    assert_eq!(table.find("802"), Ok(802));
    assert_eq!(table.find("profileId=802"), Ok(802));
    assert_eq!(table.find("emailAddress=jane.doe.1@example.org"), Ok(801));
    assert_eq!(table.find("999"), Err(TableError::UnknownProfile));
    assert_eq!(table.find("lastName=Doe"), Err(TableError::BadKey));
}

#[test]
fn a_write_sets_all_that_it_lists_or_nothing() {
    let mut table = table();
    table.change(801, &[("reaid", Some("abc")), ("firstName", None)]).unwrap();
    let changed = table.get(801).unwrap();
    assert_eq!(
        (changed.get("reaid"), changed.get("firstName"), changed.get("lastName")),
        (Some("abc"), None, Some("Doe"))
    );
    assert_eq!(table.filled("reaid"), 1);
    let refused = table.change(801, &[("reaid", Some("new")), ("nothing", Some("x"))]);
    assert_eq!(refused, Err(TableError::UnknownAttribute("nothing".into())));
    assert_eq!(table.get(801), Some(changed));
}

#[test]
fn an_address_belongs_to_one_profile_and_follows_it() {
    let mut table = table();
    let taken = table.add(&[("emailAddress", Some("jane.doe.1@example.org"))]);
    assert_eq!(taken, Err(TableError::Taken("emailAddress".into())));
    table.change(801, &[("emailAddress", Some("new@example.org"))]).unwrap();
    assert_eq!(table.find("emailAddress=new@example.org"), Ok(801));
    assert_eq!(table.add(&[("emailAddress", Some("jane.doe.1@example.org"))]), Ok(804));
    table.remove(801).unwrap();
    assert_eq!(table.find("emailAddress=new@example.org"), Err(TableError::UnknownProfile));
}

#[test]
fn a_profile_shows_no_person_in_debug() {
    assert!(!format!("{:?}", table().get(801)).contains("jane"));
}

#[test]
fn two_profiles_can_have_one_address_by_accident_and_the_first_is_found() {
    let mut table = table();
    let (one, two) = ("jane.doe.1@example.org", "john.jensen.2@example.org");
    table.force(802, &[("emailAddress", Some(one))]).unwrap();
    assert_eq!((table.owner(one), table.owner(two)), (Some(801), None));
    table.remove(801).unwrap();
    assert_eq!(table.owner(one), Some(802));
    table.change(802, &[("emailAddress", None)]).unwrap();
    assert_eq!((table.owner(one), table.filled("emailAddress")), (None, 1));
}

#[test]
fn changes_are_noted_while_watched_with_what_is_new_alone() {
    let mut table = table();
    table.change(801, &[("reaid", Some("before"))]).unwrap();
    table.watch(true);
    table.change(801, &[("reaid", Some("a")), ("firstName", Some("Jane"))]).unwrap();
    table.change(801, &[("reaid", Some("a"))]).unwrap();
    let changes = table.take_changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].set, [("reaid".to_owned(), Some("a".to_owned()))]);
    assert_eq!(changes[0].address.as_deref(), Some("jane.doe.1@example.org"));
}
