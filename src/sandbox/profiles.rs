//! Actito's profile table: attributes with their limits, rows by id and by address.

use std::collections::HashMap;
use std::fmt;

use serde::Serialize;

use super::options::{MAX_PROFILES, Options};
use super::seed;

/// Name of the attribute that every profile table has.
pub(super) const PROFILE_ID: &str = "profileId";
/// Id of the first seeded profile.
const FIRST_ID: u64 = 801;
/// Longest value of an attribute without a limit of its own, as in Actito's documented example.
const MAX_LENGTH: usize = 255;

/// A profile as anyone may see it: its id and its attributes in the table's order.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Profile {
    /// The profileId.
    pub id: u64,
    /// Name and value of each attribute but the id; `None` is null.
    pub attributes: Vec<(String, Option<String>)>,
}

impl Profile {
    /// The value of an attribute that is there and not null.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.as_deref())
    }
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why the table refused. No text of it holds a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// No profile has this key.
    #[error("no profile has this key")]
    UnknownProfile,
    /// A key is neither a profileId nor `attribute=value` on a unique attribute.
    #[error("the key must be a profileId or attribute=value on a unique attribute")]
    BadKey,
    /// The table has no such attribute.
    #[error("the profile table has no attribute {0:?}")]
    UnknownAttribute(String),
    /// The profileId is Actito's to choose.
    #[error("profileId cannot be written")]
    ReadOnly,
    /// A value is longer than its attribute takes.
    #[error("a value of attribute {attribute:?} has over {max} characters")]
    TooLong {
        /// The attribute's name.
        attribute: String,
        /// What it takes.
        max: usize,
    },
    /// Another profile has this value of a unique attribute.
    #[error("another profile has this value of the unique attribute {0:?}")]
    Taken(String),
    /// The table is full.
    #[error("the table already holds {MAX_PROFILES} profiles")]
    Full,
}

impl TableError {
    /// A label for counting.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::UnknownProfile => "unknown_profile",
            Self::BadKey => "bad_key",
            Self::UnknownAttribute(_) => "unknown_attribute",
            Self::ReadOnly => "read_only",
            Self::TooLong { .. } => "too_long",
            Self::Taken(_) => "taken",
            Self::Full => "full",
        }
    }
}

/// Kinds of attributes: the named ones are Actito's predefined types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum AttributeKind {
    EmailAddress,
    FirstName,
    LastName,
    MotherLanguage,
    Text,
}

/// One column.
#[derive(Clone)]
pub(super) struct Attribute {
    pub(super) name: String,
    pub(super) kind: AttributeKind,
    pub(super) max_length: usize,
}

/// The table. Rows are sorted by id; `by_address` holds every address that is not empty.
pub(super) struct Table {
    attributes: Vec<Attribute>,
    address_column: usize,
    rows: Vec<Row>,
    by_address: HashMap<String, u64>,
    next_id: u64,
}

struct Row {
    id: u64,
    values: Vec<Option<String>>,
}

/// What a write sets: names with their new values.
pub(super) type Changes<'a> = [(&'a str, Option<&'a str>)];

impl Table {
    /// The table that `options` describe, with its seeded profiles.
    pub(super) fn seeded(options: &Options) -> Self {
        let attribute = |name: &str, kind, max_length| Attribute { name: name.to_owned(), kind, max_length };
        let attributes = vec![
            attribute("lastName", AttributeKind::LastName, MAX_LENGTH),
            attribute("firstName", AttributeKind::FirstName, MAX_LENGTH),
            attribute("motherLanguage", AttributeKind::MotherLanguage, MAX_LENGTH),
            attribute(&options.email_attribute, AttributeKind::EmailAddress, MAX_LENGTH),
            attribute(&options.reaid_attribute, AttributeKind::Text, options.reaid_max_length),
        ];
        let mut table =
            Self { attributes, address_column: 3, rows: Vec::new(), by_address: HashMap::new(), next_id: FIRST_ID };
        for person in seed::people(options.profiles) {
            let text = |value: &str| Some(value.to_owned());
            let values = vec![text(person.last), text(person.first), text(person.language), Some(person.address), None];
            table.insert(values);
        }
        table
    }

    /// The columns, in order, without the profileId.
    pub(super) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// How many profiles there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many profiles have a non-empty value of `attribute`.
    pub(super) fn filled(&self, attribute: &str) -> usize {
        let Some(column) = self.column(attribute) else { return 0 };
        self.rows.iter().filter(|row| row.values[column].as_deref().is_some_and(|value| !value.is_empty())).count()
    }

    /// The profiles from the `start`th on, at most `limit`, by id.
    pub(super) fn page(&self, start: usize, limit: usize) -> Vec<Profile> {
        self.rows.iter().skip(start).take(limit).map(|row| self.profile(row)).collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<Profile> {
        self.index(id).ok().map(|index| self.profile(&self.rows[index]))
    }

    /// The id behind a key: a profileId, or `attribute=value` on a unique attribute.
    pub(super) fn find(&self, key: &str) -> Result<u64, TableError> {
        let id = match key.split_once('=') {
            None => parse_id(key)?,
            Some((PROFILE_ID, id)) => parse_id(id)?,
            Some((name, value)) if name == self.attributes[self.address_column].name => {
                *self.by_address.get(value).ok_or(TableError::UnknownProfile)?
            }
            Some(_) => return Err(TableError::BadKey),
        };
        self.index(id).map(|_| id).map_err(|_| TableError::UnknownProfile)
    }

    /// The id of the profile that has the address among `changes`, if one has.
    pub(super) fn matching(&self, changes: &Changes<'_>) -> Option<u64> {
        let name = &self.attributes[self.address_column].name;
        let (_, address) = changes.iter().find(|(key, _)| key == name)?;
        self.by_address.get((*address)?).copied()
    }

    /// A new profile with these attributes, the others null; returns its id.
    pub(super) fn add(&mut self, changes: &Changes<'_>) -> Result<u64, TableError> {
        let values = self.changed(vec![None; self.attributes.len()], changes)?;
        self.check_address(&values, None)?;
        if self.rows.len() >= MAX_PROFILES {
            return Err(TableError::Full);
        }
        Ok(self.insert(values))
    }

    /// Sets the attributes listed and leaves the others; all of them or, on an error, none.
    pub(super) fn change(&mut self, id: u64, changes: &Changes<'_>) -> Result<(), TableError> {
        let index = self.index(id).map_err(|_| TableError::UnknownProfile)?;
        let values = self.changed(self.rows[index].values.clone(), changes)?;
        self.check_address(&values, Some(id))?;
        self.forget_address(index);
        self.remember_address(id, &values);
        self.rows[index].values = values;
        Ok(())
    }

    /// Removes a profile.
    pub(super) fn remove(&mut self, id: u64) -> Result<(), TableError> {
        let index = self.index(id).map_err(|_| TableError::UnknownProfile)?;
        self.forget_address(index);
        self.rows.remove(index);
        Ok(())
    }

    fn insert(&mut self, values: Vec<Option<String>>) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.remember_address(id, &values);
        self.rows.push(Row { id, values });
        id
    }

    fn changed(
        &self,
        mut values: Vec<Option<String>>,
        changes: &Changes<'_>,
    ) -> Result<Vec<Option<String>>, TableError> {
        for (name, value) in changes {
            if *name == PROFILE_ID {
                return Err(TableError::ReadOnly);
            }
            let column = self.column(name).ok_or_else(|| TableError::UnknownAttribute((*name).to_owned()))?;
            let max = self.attributes[column].max_length;
            if value.is_some_and(|value| value.chars().count() > max) {
                return Err(TableError::TooLong { attribute: (*name).to_owned(), max });
            }
            values[column] = value.map(str::to_owned);
        }
        Ok(values)
    }

    fn check_address(&self, values: &[Option<String>], own: Option<u64>) -> Result<(), TableError> {
        let owner = values[self.address_column].as_ref().and_then(|address| self.by_address.get(address)).copied();
        if owner.is_some() && owner != own {
            return Err(TableError::Taken(self.attributes[self.address_column].name.clone()));
        }
        Ok(())
    }

    fn remember_address(&mut self, id: u64, values: &[Option<String>]) {
        if let Some(address) = values[self.address_column].as_ref().filter(|address| !address.is_empty()) {
            self.by_address.insert(address.clone(), id);
        }
    }

    fn forget_address(&mut self, index: usize) {
        if let Some(address) = &self.rows[index].values[self.address_column] {
            self.by_address.remove(address);
        }
    }

    fn column(&self, name: &str) -> Option<usize> {
        self.attributes.iter().position(|attribute| attribute.name == name)
    }

    fn index(&self, id: u64) -> Result<usize, usize> {
        self.rows.binary_search_by_key(&id, |row| row.id)
    }

    fn profile(&self, row: &Row) -> Profile {
        let names = self.attributes.iter().map(|attribute| attribute.name.clone());
        Profile { id: row.id, attributes: names.zip(row.values.iter().cloned()).collect() }
    }
}

fn parse_id(text: &str) -> Result<u64, TableError> {
    text.parse().map_err(|_| TableError::BadKey)
}

#[cfg(test)]
mod tests {
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
}
