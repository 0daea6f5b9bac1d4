//! Actito's V5 wire format: the list of profiles and the structure of the table, and how URLs begin.
//!
//! The structure is documented. Of the list only the URL is: paging by `page` from 0 and `pageSize`,
//! and the body `{"profiles":[…],"page":{"number","size","totalElements","totalPages"}}` with items of
//! the V4 shape, are our assumption.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::error::{AttributeProblem, Error};
use super::profile::ListPage;
use super::wire_v4::ProfileBody;
use crate::config::{self, UrlStyle};

/// Where tokens are given: the one URL without a category in either style.
pub(super) fn token_url(actito: &config::Actito) -> Url {
    append(&actito.api_endpoint, &["auth", "token"])
}

/// Where the structure of the profile table is.
pub(super) fn structure_url(actito: &config::Actito) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table_id.as_str());
    url_under(actito, "profile-table-structure", &["v5", "entities", entity, "profile-tables", table])
}

/// Where a page of the list of profiles is.
pub(super) fn list_url(actito: &config::Actito, page: u32, page_size: u32) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table_id.as_str());
    let mut url = url_under(actito, "profiles", &["v5", "entities", entity, "profile-tables", table, "profiles"]);
    url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("pageSize", &page_size.to_string());
    url
}

/// The URL of a call: the category first where the style asks for it, then `segments`, escaped.
pub(super) fn url_under(actito: &config::Actito, category: &str, segments: &[&str]) -> Url {
    let base = match actito.url_style {
        UrlStyle::Prefixed => append(&actito.api_endpoint, &[category]),
        UrlStyle::Plain => actito.api_endpoint.clone(),
    };
    append(&base, segments)
}

fn append(base: &Url, segments: &[&str]) -> Url {
    let mut url = base.clone();
    // An http(s) URL can always have a path; anything else never passed the configuration.
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// One page of the list.
#[derive(Deserialize)]
pub(super) struct ListBody {
    profiles: Vec<ProfileBody>,
    page: Option<PageBody>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageBody {
    size: Option<u64>,
    total_elements: Option<u64>,
    total_pages: Option<u64>,
}

impl ListBody {
    /// The page in our words. It is the last when it is empty, the last of `totalPages`, or shorter
    /// than a whole page, which is as long as Actito says it made it, else as long as we asked.
    pub(super) fn into_page(self, actito: &config::Actito, number: u32, page_size: u32) -> ListPage {
        let items = self.profiles.len() as u64;
        let profiles: Vec<_> = self.profiles.into_iter().filter_map(|body| body.into_profile(actito)).collect();
        let unreadable = items - profiles.len() as u64;
        let asked = u64::from(page_size);
        let whole = self.page.and_then(|page| page.size).filter(|size| *size > 0).map_or(asked, |size| size.min(asked));
        let last = match self.page.and_then(|page| page.total_pages) {
            Some(pages) => u64::from(number) + 1 >= pages,
            None => items < whole,
        };
        ListPage {
            profiles,
            unreadable,
            total: self.page.and_then(|page| page.total_elements),
            last: last || items == 0,
        }
    }
}

/// The structure of a profile table, as far as we look at it.
#[derive(Deserialize)]
pub(super) struct StructureBody {
    attributes: Vec<AttributeStructure>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttributeStructure {
    name: String,
    value_type: Option<String>,
    #[serde(default)]
    value_restriction: Value,
    #[serde(default)]
    multi_valued: Option<bool>,
}

impl StructureBody {
    /// Whether the table has the address, and an attribute that holds a REAID of `needed` characters.
    ///
    /// # Errors
    /// The first attribute that is missing or cannot hold what it should, and why.
    pub(super) fn check(&self, actito: &config::Actito, needed: u64) -> Result<(), Error> {
        self.find(&actito.email_attribute)?;
        let problem = match self.find(&actito.reaid_attribute)? {
            attribute if !attribute.is_string() => AttributeProblem::NotAString { found: attribute.type_name() },
            attribute if attribute.multi_valued == Some(true) => AttributeProblem::MultiValued,
            attribute => match longest_value(&attribute.value_restriction) {
                Some(length) if length < needed => AttributeProblem::TooShort { length, needed },
                _ => return Ok(()),
            },
        };
        Err(Error::Attribute { attribute: actito.reaid_attribute.clone(), problem })
    }

    fn find(&self, name: &str) -> Result<&AttributeStructure, Error> {
        let missing = || Error::Attribute { attribute: name.to_owned(), problem: AttributeProblem::Missing };
        self.attributes.iter().find(|attribute| attribute.name == name).ok_or_else(missing)
    }
}

impl AttributeStructure {
    fn is_string(&self) -> bool {
        self.value_type.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("STRING"))
    }

    fn type_name(&self) -> String {
        self.value_type.clone().unwrap_or_else(|| "(none named)".to_owned())
    }
}

/// The greatest length that a `valueRestriction` states. Its shape is not documented: a field whose
/// name speaks of a length or maximum (`{"maxLength":50}`, also nested) or a text as in `"maxLength=50"` is
/// understood, anything else states no length.
fn longest_value(restriction: &Value) -> Option<u64> {
    match restriction {
        Value::Object(fields) => fields.iter().find_map(|(name, value)| match value {
            Value::Object(_) => longest_value(value),
            _ if speaks_of_length(name) => value.as_u64().or_else(|| value.as_str()?.parse().ok()),
            _ => None,
        }),
        Value::String(text) if speaks_of_length(text) => {
            text.split(|letter: char| !letter.is_ascii_digit()).rfind(|digits| !digits.is_empty())?.parse().ok()
        }
        _ => None,
    }
}

fn speaks_of_length(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    (text.contains("length") || text.contains("max")) && !text.contains("min")
}

/// Settings as an operator writes them, with the defaults.
#[cfg(test)]
pub(super) fn test_settings() -> config::Actito {
    let text = r#"
        edge = { listen = ["127.0.0.1:8080"], base_url = "http://127.0.0.1:8080" }
        admin = { token = { env = "ADMIN_TOKEN" } }
        keys = { path = "keyring.toml" }
        store = { path = "reaid.db" }
        [[integration]]
        name = "shop"
        accounts = ["1234"]
        [integration.actito]
        api_endpoint = "api3"
        entity = "the shop"
        email = "crm@shop.example"
        api_key = { env = "ACTITO_API_KEY" }
        profile_table = "Customers"
        profile_table_id = "31"
        email_attribute = "emailAddress"
        reaid_attribute = "reaid"
        [[site]]
        account = "1234"
        hosts = ["shop.example"]
        integration = "shop"
    "#;
    let config = config::Config::parse(std::path::Path::new("proxy.toml"), text).unwrap();
    config.integrations[0].actito.clone().unwrap()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn page(body: Value, number: u32, page_size: u32) -> ListPage {
        serde_json::from_value::<ListBody>(body).unwrap().into_page(&test_settings(), number, page_size)
    }

    fn items(count: usize) -> Vec<Value> {
        (0..count).map(|id| json!({"attributes": [{"name": "profileId", "value": id.to_string()}]})).collect()
    }

    #[test]
    fn urls_follow_the_style() {
        let mut actito = test_settings();
        assert_eq!(token_url(&actito).as_str(), "https://api3.actito.com/auth/token");
        let structure = "https://api3.actito.com/profile-table-structure/v5/entities/the%20shop/profile-tables/31";
        let list =
            "https://api3.actito.com/profiles/v5/entities/the%20shop/profile-tables/31/profiles?page=2&pageSize=50";
        assert_eq!(structure_url(&actito).as_str(), structure);
        assert_eq!(list_url(&actito, 2, 50).as_str(), list);
        actito.url_style = UrlStyle::Plain;
        assert_eq!(structure_url(&actito).as_str(), structure.replace("/profile-table-structure", ""));
        assert_eq!(list_url(&actito, 2, 50).as_str(), list.replace("/profiles/v5", "/v5"));
    }

    #[test]
    fn an_endpoint_with_a_path_keeps_it() {
        let mut actito = test_settings();
        for endpoint in ["http://127.0.0.1:9/actito", "http://127.0.0.1:9/actito/"] {
            actito.api_endpoint = endpoint.parse().unwrap();
            assert_eq!(token_url(&actito).as_str(), "http://127.0.0.1:9/actito/auth/token");
        }
    }

    #[test]
    fn the_list_ends_where_actito_says_so() {
        let of = |number| page(json!({"profiles": items(2), "page": {"totalElements": 5, "totalPages": 3}}), number, 2);
        assert_eq!((of(0).last, of(1).last, of(2).last, of(2).total), (false, false, true, Some(5)));
    }

    #[test]
    fn without_totals_a_short_page_ends_the_list() {
        assert!(!page(json!({"profiles": items(2)}), 0, 2).last);
        assert!(page(json!({"profiles": items(1)}), 0, 2).last);
        assert!(page(json!({"profiles": []}), 0, 2).last);
        assert!(page(json!({"profiles": [], "page": {"totalPages": 9}}), 0, 2).last);
    }

    #[test]
    fn a_server_that_makes_smaller_pages_than_asked_does_not_end_the_list() {
        assert!(!page(json!({"profiles": items(2), "page": {"size": 2}}), 0, 100).last);
    }

    #[test]
    fn items_without_an_id_are_counted() {
        let page = page(json!({"profiles": [{"attributes": []}]}), 0, 2);
        assert_eq!((page.profiles.len(), page.unreadable), (0, 1));
    }

    fn check(attributes: Value) -> Result<(), Error> {
        let body: StructureBody = serde_json::from_value(json!({"attributes": attributes})).unwrap();
        body.check(&test_settings(), 24)
    }

    fn check_reaid(attribute: Value) -> &'static str {
        check(json!([{"name": "emailAddress", "valueType": "STRING"}, attribute]))
            .map_or_else(|error| error.kind(), |()| "fits")
    }

    #[test]
    fn a_string_long_enough_fits() {
        for restriction in
            [Value::Null, json!({}), json!({"maxLength": 24}), json!("MAX_LENGTH:255"), json!({"type": "x"})]
        {
            let attribute = json!({"type": "SIMPLE", "name": "reaid", "unique": false, "mandatory": false,
                "valueType": "STRING", "valueRestriction": restriction, "multiValued": false});
            assert_eq!(check_reaid(attribute), "fits");
        }
    }

    #[test]
    fn what_cannot_hold_a_reaid_is_refused_with_its_reason() {
        assert_eq!(check_reaid(json!({"name": "other", "valueType": "STRING"})), "attribute_missing");
        assert_eq!(check_reaid(json!({"name": "reaid", "valueType": "INTEGER"})), "attribute_not_a_string");
        assert_eq!(check_reaid(json!({"name": "reaid"})), "attribute_not_a_string");
        let several = json!({"name": "reaid", "valueType": "STRING", "multiValued": true});
        assert_eq!(check_reaid(several), "attribute_multi_valued");
        for restriction in [json!({"maxLength": 23}), json!({"length": {"min": 1, "max": 20}}), json!("maxLength=20")] {
            let short = json!({"name": "reaid", "valueType": "STRING", "valueRestriction": restriction});
            assert_eq!(check_reaid(short), "attribute_too_short");
        }
    }

    #[test]
    fn a_table_without_the_address_attribute_is_refused() {
        let error = check(json!([{"name": "reaid", "valueType": "STRING"}])).unwrap_err();
        assert!(error.to_string().starts_with("attribute \"emailAddress\" does not exist"));
    }
}
