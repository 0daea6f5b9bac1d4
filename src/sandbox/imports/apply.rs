//! What one row does to the table.

use csv::StringRecord;

use super::parameters::{Mode, Parameters};
use super::rejected::Rejection;
use super::sheet::Header;
use crate::sandbox::faults::{AttributeFault, TOO_SHORT};
use crate::sandbox::options::EmptyField;
use crate::sandbox::table::{PROFILE_ID, Table, TableError};

/// What became of a row that was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    Created,
    Updated,
}

/// What all rows of an import share.
pub(super) struct Rules<'a> {
    pub(super) parameters: &'a Parameters,
    /// The REAID attribute and what is wrong with it.
    pub(super) fault: Option<(&'a str, AttributeFault)>,
}

impl Rules<'_> {
    /// Takes the row or says why not; then nothing of it is in the table.
    pub(super) fn apply(&self, table: &mut Table, header: &Header, row: &StringRecord) -> Result<Taken, Rejection> {
        if row.len() != header.names.len() {
            return Err(Rejection { code: "WRONG_NUMBER_OF_FIELDS", column: String::new() });
        }
        let mapping = &self.parameters.mapping;
        let mut changes = Vec::with_capacity(mapping.len());
        for ((column, attribute), place) in mapping.iter().zip(&header.places) {
            let value = row.get(*place).unwrap_or_default();
            if attribute == PROFILE_ID {
                continue;
            }
            self.check(attribute, column, value)?;
            match (value.is_empty(), self.parameters.empty_field) {
                (false, _) => changes.push((attribute.as_str(), Some(value))),
                (true, EmptyField::Empties) => changes.push((attribute.as_str(), None)),
                (true, EmptyField::Leaves) => {}
            }
        }
        let (key_column, key_attribute) = &mapping[self.parameters.key];
        let key = row.get(header.places[self.parameters.key]).unwrap_or_default();
        let rejected = |code| Rejection { code, column: key_column.clone() };
        let found = if key_attribute == PROFILE_ID { by_id(table, key) } else { table.owner(key) };
        let done = match (found, self.parameters.mode) {
            (Some(_), Mode::CreateOnly) => return Err(rejected("ALREADY_EXISTS")),
            (Some(id), _) => table.change(id, &changes).map(|()| Taken::Updated),
            (None, Mode::UpdateOnly) => return Err(rejected("UNKNOWN_PROFILE")),
            // A profileId is Actito's to choose: a row that brings one means a profile that is there.
            (None, _) if key_attribute == PROFILE_ID && !key.is_empty() => return Err(rejected("UNKNOWN_PROFILE")),
            (None, _) if key_attribute != PROFILE_ID && key.is_empty() => return Err(rejected("MISSING_KEY")),
            (None, _) => table.add(&changes).map(|_| Taken::Created),
        };
        done.map_err(|error| self.rejection(&error))
    }

    fn check(&self, attribute: &str, column: &str, value: &str) -> Result<(), Rejection> {
        let code = match self.fault.filter(|(name, _)| *name == attribute).map(|(_, fault)| fault) {
            Some(AttributeFault::TooShort) if value.chars().count() > TOO_SHORT => "VALUE_TOO_LONG",
            Some(AttributeFault::NotAString) if !value.is_empty() => "INVALID_VALUE",
            _ => return Ok(()),
        };
        Err(Rejection { code, column: column.to_owned() })
    }

    fn rejection(&self, error: &TableError) -> Rejection {
        let column_of = |attribute: &str| {
            let found = self.parameters.mapping.iter().find(|(_, name)| name == attribute);
            found.map(|(column, _)| column.clone()).unwrap_or_default()
        };
        match error {
            TableError::TooLong { attribute, .. } => Rejection { code: "VALUE_TOO_LONG", column: column_of(attribute) },
            TableError::Taken(attribute) => Rejection { code: "NOT_UNIQUE", column: column_of(attribute) },
            TableError::UnknownProfile
            | TableError::BadKey
            | TableError::UnknownAttribute(_)
            | TableError::ReadOnly
            | TableError::Full => Rejection { code: "REJECTED", column: String::new() },
        }
    }
}

fn by_id(table: &Table, key: &str) -> Option<u64> {
    let id = key.parse().ok()?;
    table.has(id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::imports::parameters::LineEnd;
    use crate::sandbox::options::Options;

    fn parameters(mode: Mode, attributes: &[&str], empty_field: EmptyField) -> Parameters {
        Parameters {
            mode,
            separator: b';',
            line_end: LineEnd::Lf,
            wants_rejected: true,
            mapping: attributes.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect(),
            key: 0,
            recipients: Vec::new(),
            empty_field,
        }
    }

    fn apply(table: &mut Table, parameters: &Parameters, row: &[&str]) -> Result<Taken, &'static str> {
        let names = parameters.mapping.iter().map(|(column, _)| column.as_str()).collect();
        let header = Header { names, places: (0..parameters.mapping.len()).collect() };
        let rules = Rules { parameters, fault: None };
        rules.apply(table, &header, &row.iter().collect()).map_err(|rejection| rejection.code)
    }

    fn table() -> Table {
        Table::seeded(&Options { profiles: 2, reaid_max_length: 5, ..Options::default() })
    }

    #[test]
    fn modes_decide_about_profiles_that_exist_and_that_do_not() {
        use Mode::{CreateOnly, CreateUpdate, UpdateOnly};
        for (mode, known, unknown) in [
            (CreateOnly, Err("ALREADY_EXISTS"), Ok(Taken::Created)),
            (UpdateOnly, Ok(Taken::Updated), Err("UNKNOWN_PROFILE")),
            (CreateUpdate, Ok(Taken::Updated), Ok(Taken::Created)),
        ] {
            let (mut table, by_address) = (table(), parameters(mode, &["emailAddress", "reaid"], EmptyField::Empties));
            assert_eq!(apply(&mut table, &by_address, &["jane.doe.1@example.org", "a"]), known, "{mode:?}");
            assert_eq!(apply(&mut table, &by_address, &["new@example.org", "a"]), unknown, "{mode:?}");
        }
    }

    #[test]
    fn a_profile_id_that_is_unknown_is_rejected_in_every_mode() {
        for mode in [Mode::CreateOnly, Mode::UpdateOnly, Mode::CreateUpdate] {
            let by_id = parameters(mode, &["profileId", "reaid"], EmptyField::Empties);
            assert_eq!(apply(&mut table(), &by_id, &["999", "a"]), Err("UNKNOWN_PROFILE"));
        }
    }

    #[test]
    fn a_bad_row_leaves_the_table_as_it_is() {
        let by_id = parameters(Mode::UpdateOnly, &["profileId", "reaid", "emailAddress"], EmptyField::Empties);
        let mut table = table();
        let before = table.get(801);
        assert_eq!(apply(&mut table, &by_id, &["801", "too long", "x@example.org"]), Err("VALUE_TOO_LONG"));
        assert_eq!(apply(&mut table, &by_id, &["801", "a", "john.jensen.2@example.org"]), Err("NOT_UNIQUE"));
        assert_eq!(apply(&mut table, &by_id, &["801", "a"]), Err("WRONG_NUMBER_OF_FIELDS"));
        assert_eq!(table.get(801), before);
    }

    #[test]
    fn an_empty_field_empties_or_leaves_as_told() {
        for (empty_field, expected) in [(EmptyField::Empties, None), (EmptyField::Leaves, Some("a"))] {
            let by_id = parameters(Mode::UpdateOnly, &["profileId", "reaid"], empty_field);
            let mut table = table();
            apply(&mut table, &by_id, &["801", "a"]).unwrap();
            apply(&mut table, &by_id, &["801", ""]).unwrap();
            assert_eq!(table.get(801).unwrap().get("reaid"), expected);
        }
    }
}
