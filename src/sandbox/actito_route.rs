//! Actito's URLs: which call a method and a path ask for.

use http::Method;
use serde::{Deserialize, Serialize};

use super::options::Options;
use super::query::decode;

/// Kinds of calls, for counting and for faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Actito: `GET /auth/token`.
    Token,
    /// Actito: the profile table's structure.
    Structure,
    /// Actito: a page of profiles (V5).
    List,
    /// Actito: one profile, V4 or V5.
    Read,
    /// Actito: PUT of one profile (V4).
    Write,
    /// Actito: POST of one profile (V4).
    Create,
    /// Actito: DELETE of one profile (V4).
    Delete,
    /// Actito: anything that the sandbox does not have.
    Other,
    /// Raptor: a tracking call.
    Tracking,
    /// The shop: a landing page.
    Landing,
}

/// A call of Actito's API, its names decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Token,
    Structure(Place),
    List(Place),
    ReadV5(Place, String),
    ReadV4(Place, String),
    Write(Place, String),
    Create(Place),
    Delete(Place, String),
    /// A path that exists, with a method that does not.
    WrongMethod,
    Unknown,
}

/// The entity and the table that a URL names: V4 by the table's name, V5 by its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    entity: String,
    table: Table,
}

#[derive(Debug, PartialEq, Eq)]
enum Table {
    Name(String),
    Id(String),
}

/// Whether a path that begins with this segment is Actito's.
pub(super) fn is_actito(first_segment: &str) -> bool {
    const FIRST: [&str; 8] =
        ["auth", "v4", "v5", "profiles", "profile-table-structure", "mass-imports", "imports", "webhooks"];
    FIRST.contains(&first_segment)
}

impl Call {
    pub(super) fn parse(method: &Method, path: &str) -> Self {
        let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments.as_slice() {
            ["auth", "token"] => Self::get(method, Self::Token),
            ["profile-table-structure", "v5", "entities", entity, "profile-tables", id] => {
                Self::get(method, Self::Structure(Place::v5(entity, id)))
            }
            ["profiles", "v5", "entities", entity, "profile-tables", id, "profiles"] => {
                Self::get(method, Self::List(Place::v5(entity, id)))
            }
            ["profiles", "v5", "entities", entity, "profile-tables", id, "profiles", key] => {
                Self::get(method, Self::ReadV5(Place::v5(entity, id), (*key).to_owned()))
            }
            ["profiles", "v4", rest @ ..] | ["v4", rest @ ..] => Self::parse_v4(method, rest),
            _ => Self::Unknown,
        }
    }

    fn parse_v4(method: &Method, segments: &[&str]) -> Self {
        let (place, key) = match segments {
            ["entity", entity, "table", name, "profile"] => (Place::v4(entity, name), None),
            ["entity", entity, "table", name, "profile", key] => (Place::v4(entity, name), Some((*key).to_owned())),
            _ => return Self::Unknown,
        };
        match (method, key) {
            (&Method::POST, None) => Self::Create(place),
            (&Method::GET, Some(key)) => Self::ReadV4(place, key),
            (&Method::PUT, Some(key)) => Self::Write(place, key),
            (&Method::DELETE, Some(key)) => Self::Delete(place, key),
            _ => Self::WrongMethod,
        }
    }

    fn get(method: &Method, call: Self) -> Self {
        if method == Method::GET { call } else { Self::WrongMethod }
    }

    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Token => Operation::Token,
            Self::Structure(_) => Operation::Structure,
            Self::List(_) => Operation::List,
            Self::ReadV5(..) | Self::ReadV4(..) => Operation::Read,
            Self::Write(..) => Operation::Write,
            Self::Create(_) => Operation::Create,
            Self::Delete(..) => Operation::Delete,
            Self::WrongMethod | Self::Unknown => Operation::Other,
        }
    }

    /// The place it names, when it names one.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Structure(place) | Self::List(place) | Self::Create(place) => Some(place),
            Self::ReadV5(place, _) | Self::ReadV4(place, _) | Self::Write(place, _) | Self::Delete(place, _) => {
                Some(place)
            }
            Self::Token | Self::WrongMethod | Self::Unknown => None,
        }
    }
}

impl Place {
    /// Whether it is the sandbox's one table.
    pub(super) fn is_here(&self, options: &Options) -> bool {
        self.entity == options.entity
            && match &self.table {
                Table::Name(name) => *name == options.profile_table,
                Table::Id(id) => *id == options.profile_table_id,
            }
    }

    fn v4(entity: &str, name: &str) -> Self {
        Self { entity: entity.to_owned(), table: Table::Name(name.to_owned()) }
    }

    fn v5(entity: &str, id: &str) -> Self {
        Self { entity: entity.to_owned(), table: Table::Id(id.to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_url_styles_of_v4_mean_the_same() {
        let plain = Call::parse(&Method::PUT, "/v4/entity/shop/table/Customers/profile/812");
        let prefixed = Call::parse(&Method::PUT, "/profiles/v4/entity/shop/table/Customers/profile/812");
        assert_eq!(plain, prefixed);
        assert_eq!(plain.operation(), Operation::Write);
        assert!(plain.place().unwrap().is_here(&Options::default()));
    }

    #[test]
    fn keys_are_percent_decoded_once() {
        let call = Call::parse(&Method::GET, "/v4/entity/shop/table/Customers/profile/emailAddress=a%40b.example");
        let Call::ReadV4(_, key) = call else { panic!("{call:?}") };
        assert_eq!(key, "emailAddress=a@b.example");
    }

    #[test]
    fn what_comes_later_is_unknown() {
        for path in ["/v4/entity/shop/table/Customers/import", "/webhooks/v4/entity/shop/webhookSubscription", "/v5/x"]
        {
            assert_eq!(Call::parse(&Method::POST, path), Call::Unknown, "{path}");
        }
        let v5_write = "/profiles/v5/entities/shop/profile-tables/31/profiles/812";
        assert_eq!(Call::parse(&Method::PATCH, v5_write), Call::WrongMethod);
    }
}
