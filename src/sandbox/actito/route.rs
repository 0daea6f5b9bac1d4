//! Actito's URLs: which call a method and a path ask for.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::sandbox::options::{Api, Options, Right};
use crate::sandbox::query::decode;

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
    /// Actito: a change of one profile: PUT in V4, PATCH in V5.
    Write,
    /// Actito: POST of one profile (V4).
    Create,
    /// Actito: DELETE of one profile (V4).
    Delete,
    /// Actito: the start of a mass import, V4 or V5.
    Import,
    /// Actito: a look at a mass import: status, result, rejected rows.
    ImportStatus,
    /// Actito: webhook subscriptions.
    Subscription,
    /// Actito: anything that the sandbox does not have.
    Other,
    /// Webhooks: a push.
    Push,
    /// Raptor: a tracking call.
    Tracking,
    /// The shop: a landing page.
    Landing,
    /// CDP: the list of audiences, or of kinds of identifiers.
    Audiences,
    /// CDP: who is in an audience.
    Membership,
    /// CDP: who came and went.
    Changes,
}

/// A call of Actito's API, its names decoded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Call {
    Token,
    Structure(Place),
    List(Place),
    ReadV5(Place, String),
    WriteV5(Place, String, V5Method),
    ReadV4(Place, String),
    Write(Place, String),
    Create(Place),
    Delete(Place, String),
    ImportV4(Place),
    ImportV5(Place),
    LookV4(Place, String, Look),
    LookV5(Place, String),
    Subscriptions(Place, Subscriptions),
    /// A path that exists, with a method that does not.
    WrongMethod,
    Unknown,
}

/// With which method a V5 write came; the options say which one exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum V5Method {
    Patch,
    Put,
}

/// What of a V4 import is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Look {
    Status,
    Result,
    Errors,
}

/// What is done to webhook subscriptions.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sandbox) enum Subscriptions {
    Create,
    List,
    Read(String),
    Replace(String),
    Delete(String),
}

/// The entity, and the table when the URL names one: V4 by the table's name, V5 by its id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    entity: String,
    table: Table,
}

#[derive(Debug, PartialEq, Eq)]
enum Table {
    Name(String),
    Id(String),
    None,
}

/// A call and the style of its URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) call: Call,
    /// Without a category before the version.
    pub(super) is_plain: bool,
}

const PROFILES: &str = "profiles";
const STRUCTURE: &str = "profile-table-structure";
const IMPORTS: &str = "mass-imports";
const WEBHOOKS: &str = "webhooks";

/// Whether a path that begins with this segment is Actito's.
pub(in crate::sandbox) fn is_actito(first_segment: &str) -> bool {
    ["auth", "v4", "v5", PROFILES, STRUCTURE, IMPORTS, WEBHOOKS].contains(&first_segment)
}

impl Route {
    pub(super) fn parse(method: &Method, path: &str) -> Self {
        let segments: Vec<String> = path.split('/').skip(1).map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (category, found) = match segments.as_slice() {
            ["auth", "token"] => return Self { call: only(method, &Method::GET, Call::Token), is_plain: false },
            ["v4", rest @ ..] => (None, v4(method, rest)),
            ["v5", rest @ ..] => (None, v5(method, rest)),
            [category, "v4", rest @ ..] => (Some(*category), v4(method, rest)),
            [category, "v5", rest @ ..] => (Some(*category), v5(method, rest)),
            _ => (None, None),
        };
        match found {
            Some((home, call)) if category.is_none_or(|category| category == home) => {
                Self { call, is_plain: category.is_none() }
            }
            _ => Self { call: Call::Unknown, is_plain: false },
        }
    }

    /// The part of the API that the call belongs to, when that can be gone on its own.
    pub(super) fn apis(&self) -> impl Iterator<Item = Api> {
        let own = match self.call {
            Call::ReadV4(..) | Call::Write(..) | Call::Create(_) | Call::Delete(..) => Some(Api::V4Profiles),
            Call::ImportV4(_) | Call::LookV4(..) => Some(Api::V4Imports),
            Call::Subscriptions(..) => Some(Api::V4Webhooks),
            Call::List(_) | Call::ReadV5(..) => Some(Api::V5Profiles),
            Call::WriteV5(..) => Some(Api::V5Writes),
            Call::ImportV5(_) | Call::LookV5(..) => Some(Api::V5Imports),
            Call::Token | Call::Structure(_) | Call::WrongMethod | Call::Unknown => None,
        };
        own.into_iter().chain(self.is_plain.then_some(Api::PlainUrls))
    }
}

/// The category and the call of a V4 path behind its version.
fn v4(method: &Method, segments: &[&str]) -> Option<(&'static str, Call)> {
    let is = |wanted: &Method| method == wanted;
    let call = match segments {
        ["entity", entity, "table", name, "profile"] => {
            return Some((PROFILES, only(method, &Method::POST, Call::Create(Place::v4(entity, name)))));
        }
        ["entity", entity, "table", name, "profile", key] => {
            let (place, key) = (Place::v4(entity, name), (*key).to_owned());
            let call = match *method {
                Method::GET => Call::ReadV4(place, key),
                Method::PUT => Call::Write(place, key),
                Method::DELETE => Call::Delete(place, key),
                _ => Call::WrongMethod,
            };
            return Some((PROFILES, call));
        }
        ["entity", entity, "table", name, "import"] => {
            only(method, &Method::POST, Call::ImportV4(Place::v4(entity, name)))
        }
        ["entity", entity, "import", id, what] => {
            let look = match *what {
                "status" => Look::Status,
                "result" => Look::Result,
                "errors" => Look::Errors,
                _ => return None,
            };
            only(method, &Method::GET, Call::LookV4(Place::entity(entity), (*id).to_owned(), look))
        }
        ["entity", entity, "webhookSubscription"] => {
            let what = if is(&Method::POST) { Subscriptions::Create } else { Subscriptions::List };
            let known = is(&Method::POST) || is(&Method::GET);
            let call = Call::Subscriptions(Place::entity(entity), what);
            return Some((WEBHOOKS, if known { call } else { Call::WrongMethod }));
        }
        ["entity", entity, "webhookSubscription", id] => {
            let id = (*id).to_owned();
            let what = match *method {
                Method::GET => Subscriptions::Read(id),
                Method::PUT => Subscriptions::Replace(id),
                Method::DELETE => Subscriptions::Delete(id),
                _ => return Some((WEBHOOKS, Call::WrongMethod)),
            };
            return Some((WEBHOOKS, Call::Subscriptions(Place::entity(entity), what)));
        }
        _ => return None,
    };
    Some((IMPORTS, call))
}

/// The category and the call of a V5 path behind its version.
fn v5(method: &Method, segments: &[&str]) -> Option<(&'static str, Call)> {
    Some(match segments {
        ["entities", entity, "profile-tables", id] => {
            (STRUCTURE, only(method, &Method::GET, Call::Structure(Place::v5(entity, id))))
        }
        ["entities", entity, "profile-tables", id, "profiles"] => {
            (PROFILES, only(method, &Method::GET, Call::List(Place::v5(entity, id))))
        }
        ["entities", entity, "profile-tables", id, "profiles", key] => {
            let (place, key) = (Place::v5(entity, id), (*key).to_owned());
            let call = match *method {
                Method::GET => Call::ReadV5(place, key),
                Method::PATCH => Call::WriteV5(place, key, V5Method::Patch),
                Method::PUT => Call::WriteV5(place, key, V5Method::Put),
                _ => Call::WrongMethod,
            };
            (PROFILES, call)
        }
        ["entities", entity, "etl-executions"] => {
            (IMPORTS, only(method, &Method::POST, Call::ImportV5(Place::entity(entity))))
        }
        ["entities", entity, "etl-executions", id] => {
            (IMPORTS, only(method, &Method::GET, Call::LookV5(Place::entity(entity), (*id).to_owned())))
        }
        _ => return None,
    })
}

fn only(method: &Method, wanted: &Method, call: Call) -> Call {
    if method == wanted { call } else { Call::WrongMethod }
}

impl Call {
    pub(super) fn operation(&self) -> Operation {
        match self {
            Self::Token => Operation::Token,
            Self::Structure(_) => Operation::Structure,
            Self::List(_) => Operation::List,
            Self::ReadV5(..) | Self::ReadV4(..) => Operation::Read,
            Self::Write(..) | Self::WriteV5(..) => Operation::Write,
            Self::Create(_) => Operation::Create,
            Self::Delete(..) => Operation::Delete,
            Self::ImportV4(_) | Self::ImportV5(_) => Operation::Import,
            Self::LookV4(..) | Self::LookV5(..) => Operation::ImportStatus,
            Self::Subscriptions(..) => Operation::Subscription,
            Self::WrongMethod | Self::Unknown => Operation::Other,
        }
    }

    /// The right that it takes, when it takes one.
    pub(super) fn right(&self) -> Option<Right> {
        match self.operation() {
            Operation::Structure => Some(Right::Structure),
            Operation::List | Operation::Read => Some(Right::ReadProfiles),
            Operation::Write | Operation::Create | Operation::Delete => Some(Right::WriteProfiles),
            Operation::Import | Operation::ImportStatus => Some(Right::Imports),
            Operation::Subscription => Some(Right::Webhooks),
            _ => None,
        }
    }

    /// The place it names, when it names one.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::Structure(place)
            | Self::List(place)
            | Self::Create(place)
            | Self::ReadV5(place, _)
            | Self::WriteV5(place, ..)
            | Self::ReadV4(place, _)
            | Self::Write(place, _)
            | Self::Delete(place, _)
            | Self::ImportV4(place)
            | Self::ImportV5(place)
            | Self::LookV4(place, ..)
            | Self::LookV5(place, _)
            | Self::Subscriptions(place, _) => Some(place),
            Self::Token | Self::WrongMethod | Self::Unknown => None,
        }
    }
}

impl Operation {
    /// Whether it changes profiles.
    pub(super) fn is_writing(self) -> bool {
        matches!(self, Self::Write | Self::Create | Self::Delete | Self::Import)
    }
}

impl Place {
    /// Whether it is the sandbox's one entity, and its one table when a table is named.
    pub(super) fn is_here(&self, options: &Options) -> bool {
        self.entity == options.entity
            && match &self.table {
                Table::Name(name) => *name == options.profile_table,
                Table::Id(id) => *id == options.profile_table_id,
                Table::None => true,
            }
    }

    fn v4(entity: &str, name: &str) -> Self {
        Self { entity: entity.to_owned(), table: Table::Name(name.to_owned()) }
    }

    fn v5(entity: &str, id: &str) -> Self {
        Self { entity: entity.to_owned(), table: Table::Id(id.to_owned()) }
    }

    fn entity(entity: &str) -> Self {
        Self { entity: entity.to_owned(), table: Table::None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_url_styles_mean_the_same() {
        for (method, category, rest) in [
            (Method::PUT, PROFILES, "/v4/entity/shop/table/Customers/profile/812"),
            (Method::PATCH, PROFILES, "/v5/entities/shop/profile-tables/31/profiles/812"),
            (Method::POST, IMPORTS, "/v4/entity/shop/table/Customers/import"),
            (Method::GET, IMPORTS, "/v5/entities/shop/etl-executions/7"),
            (Method::POST, WEBHOOKS, "/v4/entity/shop/webhookSubscription"),
            (Method::GET, STRUCTURE, "/v5/entities/shop/profile-tables/31"),
        ] {
            let plain = Route::parse(&method, rest);
            let prefixed = Route::parse(&method, &format!("/{category}{rest}"));
            assert_eq!(plain.call, prefixed.call);
            assert!(plain.is_plain && !prefixed.is_plain);
            assert!(plain.call.place().unwrap().is_here(&Options::default()), "{rest}");
        }
    }

    #[test]
    fn keys_are_percent_decoded_once() {
        let route = Route::parse(&Method::GET, "/v4/entity/shop/table/Customers/profile/emailAddress=a%40b.example");
        let Call::ReadV4(_, key) = route.call else { panic!("{route:?}") };
        assert_eq!(key, "emailAddress=a@b.example");
    }

    #[test]
    fn a_call_lives_under_its_own_category_and_method() {
        let call = |method, path| Route::parse(&method, path).call;
        assert_eq!(call(Method::POST, "/profiles/v4/entity/shop/table/Customers/import"), Call::Unknown);
        assert_eq!(call(Method::GET, "/mass-imports/v4/entity/shop/import/1/rows"), Call::Unknown);
        assert_eq!(call(Method::GET, "/mass-imports/v4/entity/shop/table/Customers/import"), Call::WrongMethod);
        assert_eq!(call(Method::PATCH, "/webhooks/v4/entity/shop/webhookSubscription/1"), Call::WrongMethod);
    }
}
