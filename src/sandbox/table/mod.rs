//! Actito's profile table: attributes with their limits, rows by id and by address. A row is one
//! allocation, so that a million of them fit into a test's memory.

mod addresses;
mod error;
mod packed;
mod seed;

use std::fmt;

use serde::Serialize;

use self::addresses::{Addresses, In};
pub use self::error::TableError;
use self::packed::Packed;
use super::options::{MAX_PROFILES, Options};

/// Name of the attribute that every profile table has.
pub(super) const PROFILE_ID: &str = "profileId";
/// Id of the first seeded profile.
const FIRST_ID: u32 = 801;
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

/// Kinds of attributes: the named ones are Actito's predefined types.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) enum AttributeKind {
    EmailAddress,
    FirstName,
    LastName,
    MotherLanguage,
    Text,
}

/// One column.
#[derive(Clone)]
pub(in crate::sandbox) struct Attribute {
    pub(in crate::sandbox) name: String,
    pub(in crate::sandbox) kind: AttributeKind,
    pub(in crate::sandbox) max_length: usize,
}

/// The table. Rows are sorted by id; ids are never given twice.
pub(super) struct Table {
    attributes: Vec<Attribute>,
    address_column: usize,
    unique_addresses: bool,
    rows: Vec<Row>,
    addresses: Addresses,
    /// How many rows have a non-empty value, by column.
    filled: Vec<usize>,
    next_id: u32,
    /// What changed since it was last taken, while somebody is told.
    journal: Option<Vec<Change>>,
}

struct Row {
    id: u32,
    values: Packed,
}

/// What a write sets: names with their new values.
pub(super) type Changes<'a> = [(&'a str, Option<&'a str>)];

/// What happened to a profile: the attributes whose values are new, and the address it has now.
pub(super) struct Change {
    pub(super) id: u64,
    pub(super) created: bool,
    pub(super) set: Vec<(String, Option<String>)>,
    pub(super) address: Option<String>,
}

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
        let mut table = Self {
            filled: vec![0; attributes.len()],
            attributes,
            address_column: 3,
            unique_addresses: options.unique_addresses,
            rows: Vec::with_capacity(options.profiles),
            addresses: Addresses::default(),
            next_id: FIRST_ID,
            journal: None,
        };
        table.addresses.reserve(In { rows: &table.rows, column: table.address_column }, options.profiles);
        for person in seed::people(options.profiles) {
            let values = [Some(person.last), Some(person.first), Some(person.language), Some(&*person.address), None];
            table.insert(&values);
        }
        table
    }

    /// The columns, in order, without the profileId.
    pub(super) fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// The place of an attribute among the columns.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.attributes.iter().position(|attribute| attribute.name == name)
    }

    /// How many profiles there are.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many profiles have a non-empty value of `attribute`.
    pub(super) fn filled(&self, attribute: &str) -> usize {
        self.column(attribute).map_or(0, |column| self.filled[column])
    }

    /// The profiles from the `start`th on, at most `limit`, by id.
    pub(super) fn page(&self, start: usize, limit: usize) -> Vec<Profile> {
        let from = start.min(self.rows.len());
        self.rows[from..].iter().take(limit).map(|row| self.profile(row)).collect()
    }

    /// The same among the profiles that have these values, and how many those are.
    pub(super) fn page_where(&self, wanted: &[(usize, String)], start: usize, limit: usize) -> (Vec<Profile>, usize) {
        let is_wanted =
            |row: &&Row| wanted.iter().all(|(column, value)| row.values.get(*column) == Some(value.as_str()));
        let found: Vec<&Row> = self.rows.iter().filter(is_wanted).collect();
        let page = found.iter().skip(start).take(limit).map(|row| self.profile(row)).collect();
        (page, found.len())
    }

    /// The profiles after `id`, at most `limit`, each as its id and its values in the columns' order.
    pub(super) fn each_after(&self, id: u64, limit: usize, mut look: impl FnMut(u64, &[Option<&str>])) -> Option<u64> {
        let from = self.rows.partition_point(|row| u64::from(row.id) <= id);
        let mut last = None;
        for row in self.rows[from..].iter().take(limit) {
            look(u64::from(row.id), &row.values.values().collect::<Vec<_>>());
            last = Some(u64::from(row.id));
        }
        last
    }

    /// The id of the `nth` profile.
    pub(super) fn id_at(&self, nth: usize) -> Option<u64> {
        self.rows.get(nth).map(|row| u64::from(row.id))
    }

    pub(super) fn has(&self, id: u64) -> bool {
        self.index(id).is_ok()
    }

    pub(super) fn get(&self, id: u64) -> Option<Profile> {
        self.index(id).ok().map(|index| self.profile(&self.rows[index]))
    }

    /// The id behind a key: a profileId, or `attribute=value` on a unique attribute.
    pub(super) fn find(&self, key: &str) -> Result<u64, TableError> {
        let id = match key.split_once('=') {
            None => parse_id(key)?,
            Some((PROFILE_ID, id)) => parse_id(id)?,
            Some((name, value)) if self.unique_addresses && name == self.address_name() => {
                self.owner(value).ok_or(TableError::UnknownProfile)?
            }
            Some(_) => return Err(TableError::BadKey),
        };
        self.index(id).map(|_| id)
    }

    /// The id of the profile that has the address among `changes`, if one has.
    pub(super) fn matching(&self, changes: &Changes<'_>) -> Option<u64> {
        let (_, address) = changes.iter().find(|(key, _)| *key == self.address_name())?;
        self.owner((*address)?)
    }

    /// The lowest id that has the address.
    pub(super) fn owner(&self, address: &str) -> Option<u64> {
        self.addresses.find(self.place(), address).map(u64::from)
    }

    /// A new profile with these attributes, the others null; returns its id.
    pub(super) fn add(&mut self, changes: &Changes<'_>) -> Result<u64, TableError> {
        let values = self.changed(vec![None; self.attributes.len()], changes)?;
        self.check_address(values[self.address_column], None)?;
        if self.rows.len() >= MAX_PROFILES {
            return Err(TableError::Full);
        }
        let id = self.insert(&values);
        self.note(id, true, changes);
        Ok(id)
    }

    /// Sets the attributes listed and leaves the others; all of them or, on an error, none.
    pub(super) fn change(&mut self, id: u64, changes: &Changes<'_>) -> Result<(), TableError> {
        self.set(id, changes, self.unique_addresses)
    }

    /// The same, though another profile may have the address already: Actito's own accidents.
    pub(super) fn force(&mut self, id: u64, changes: &Changes<'_>) -> Result<(), TableError> {
        self.set(id, changes, false)
    }

    /// Removes a profile.
    pub(super) fn remove(&mut self, id: u64) -> Result<(), TableError> {
        let index = self.index(id)?;
        self.addresses.forget(In { rows: &self.rows, column: self.address_column }, self.rows[index].id);
        let row = self.rows.remove(index);
        self.discount(&row.values);
        Ok(())
    }

    /// Begins or ends to note what changes.
    pub(super) fn watch(&mut self, watched: bool) {
        match (watched, self.journal.is_some()) {
            (true, false) => self.journal = Some(Vec::new()),
            (false, true) => self.journal = None,
            _ => {}
        }
    }

    /// What changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn set(&mut self, id: u64, changes: &Changes<'_>, unique: bool) -> Result<(), TableError> {
        let index = self.index(id)?;
        let old: Vec<Option<&str>> = self.rows[index].values.values().collect();
        let values = self.changed(old.clone(), changes)?;
        if unique && values[self.address_column] != old[self.address_column] {
            self.check_address(values[self.address_column], Some(id))?;
        }
        let is_new =
            |(name, value): &&(&str, Option<&str>)| self.column(name).is_some_and(|column| old[column] != *value);
        let new: Vec<(&str, Option<&str>)> = changes.iter().filter(is_new).copied().collect();
        if new.is_empty() {
            return Ok(());
        }
        let (packed, short_id) = (Packed::of(values.iter().copied()), self.rows[index].id);
        self.addresses.forget(In { rows: &self.rows, column: self.address_column }, short_id);
        let old = std::mem::replace(&mut self.rows[index].values, packed);
        self.addresses.remember(In { rows: &self.rows, column: self.address_column }, short_id);
        self.discount(&old);
        self.count_row(index);
        self.note(id, false, &new);
        Ok(())
    }

    fn insert(&mut self, values: &[Option<&str>]) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.rows.push(Row { id, values: Packed::of(values.iter().copied()) });
        self.addresses.remember(In { rows: &self.rows, column: self.address_column }, id);
        self.count_row(self.rows.len() - 1);
        u64::from(id)
    }

    fn changed<'a>(
        &self,
        mut values: Vec<Option<&'a str>>,
        changes: &Changes<'a>,
    ) -> Result<Vec<Option<&'a str>>, TableError> {
        for (name, value) in changes {
            if *name == PROFILE_ID {
                return Err(TableError::ReadOnly);
            }
            let column = self.column(name).ok_or_else(|| TableError::UnknownAttribute((*name).to_owned()))?;
            let max = self.attributes[column].max_length;
            if value.is_some_and(|value| value.len() > max && value.chars().count() > max) {
                return Err(TableError::TooLong { attribute: (*name).to_owned(), max });
            }
            values[column] = *value;
        }
        Ok(values)
    }

    fn check_address(&self, address: Option<&str>, own: Option<u64>) -> Result<(), TableError> {
        let owner = address.filter(|_| self.unique_addresses).and_then(|address| self.owner(address));
        if owner.is_some() && owner != own {
            return Err(TableError::Taken(self.address_name().to_owned()));
        }
        Ok(())
    }

    fn note(&mut self, id: u64, created: bool, set: &Changes<'_>) {
        let Ok(index) = self.index(id) else { return };
        let address = self.rows[index].values.get(self.address_column).map(str::to_owned);
        if let Some(journal) = &mut self.journal {
            let set = set.iter().map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned))).collect();
            journal.push(Change { id, created, set, address });
        }
    }

    fn discount(&mut self, values: &Packed) {
        for (filled, value) in self.filled.iter_mut().zip(values.values()) {
            *filled -= usize::from(value.is_some_and(|value| !value.is_empty()));
        }
    }

    fn count_row(&mut self, index: usize) {
        for (filled, value) in self.filled.iter_mut().zip(self.rows[index].values.values()) {
            *filled += usize::from(value.is_some_and(|value| !value.is_empty()));
        }
    }

    fn address_name(&self) -> &str {
        &self.attributes[self.address_column].name
    }

    fn place(&self) -> In<'_> {
        In { rows: &self.rows, column: self.address_column }
    }

    fn index(&self, id: u64) -> Result<usize, TableError> {
        let id = u32::try_from(id).map_err(|_| TableError::UnknownProfile)?;
        index_of(&self.rows, id).map_err(|_| TableError::UnknownProfile)
    }

    fn profile(&self, row: &Row) -> Profile {
        let names = self.attributes.iter().map(|attribute| attribute.name.clone());
        let values = row.values.values().map(|value| value.map(str::to_owned));
        Profile { id: u64::from(row.id), attributes: names.zip(values).collect() }
    }
}

/// Where the row with this id is, or would be.
fn index_of(rows: &[Row], id: u32) -> Result<usize, usize> {
    rows.binary_search_by_key(&id, |row| row.id)
}

fn parse_id(text: &str) -> Result<u64, TableError> {
    text.parse().map_err(|_| TableError::BadKey)
}

#[cfg(test)]
mod tests;
