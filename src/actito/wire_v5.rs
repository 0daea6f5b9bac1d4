//! Actito's V5 wire format: the list of profiles, one profile, and how it is written.
//!
//! Documented are the URLs of the list and of one profile with `includeNulls`. **Assumed**, because nothing
//! public says it: paging by `page` from 0 and `pageSize`; the body
//! `{"profiles":[…],"page":{"number","size","totalElements","totalPages"}}`; items of the V4 shape (one flat
//! object is read, too); `PATCH` of V4's body to write, answered with the profile, its id or nothing; and
//! `attribute=value` as a key. Part of that can be switched: `[integration.actito.assumed]` in `proxy.toml`.

use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::profile::{ListPage, ProfileId};
use super::wire_url::url_under;
use super::wire_v4::{Key, ProfileBody};
use crate::config::{self, V5Write};

/// Where a page of the list of profiles is.
pub(super) fn list_url(actito: &config::Actito, page: u32, page_size: u32) -> Url {
    let (entity, table) = (actito.entity.as_str(), actito.profile_table_id.as_str());
    let mut url = url_under(actito, "profiles", &["v5", "entities", entity, "profile-tables", table, "profiles"]);
    let (page, size) = (page + actito.assumed.list_first_page, page_size);
    url.query_pairs_mut().append_pair("page", &page.to_string()).append_pair("pageSize", &size.to_string());
    url
}

/// Where one profile is written.
pub(super) fn profile_url(actito: &config::Actito, key: &Key<'_>) -> Url {
    let (entity, table, key) = (actito.entity.as_str(), actito.profile_table_id.as_str(), key.spelled(actito));
    url_under(actito, "profiles", &["v5", "entities", entity, "profile-tables", table, "profiles", &key])
}

/// Where one profile is read, attributes without a value included.
pub(super) fn read_url(actito: &config::Actito, key: &Key<'_>) -> Url {
    let mut url = profile_url(actito, key);
    url.query_pairs_mut().append_pair("includeNulls", "true");
    url
}

/// How a profile is written: V4's body, sent with this method (assumed).
pub(super) const fn write_method(actito: &config::Actito) -> Method {
    match actito.assumed.v5_write {
        V5Write::Patch => Method::PATCH,
        V5Write::Put => Method::PUT,
    }
}

/// Whether the answer to a write speaks of the profile that we meant, or of none (assumed).
pub(super) fn confirms(body: &[u8], actito: &config::Actito, id: ProfileId) -> bool {
    if body.iter().all(u8::is_ascii_whitespace) {
        return true;
    }
    let of_profile = |body: ProfileBody| body.into_profile(actito).is_some_and(|profile| profile.id == id);
    serde_json::from_slice(body).is_ok_and(of_profile)
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::wire_url::test_settings;
    use super::*;
    use crate::config::UrlStyle;

    fn page(body: Value, number: u32, page_size: u32) -> ListPage {
        serde_json::from_value::<ListBody>(body).unwrap().into_page(&test_settings(), number, page_size)
    }

    fn items(count: usize) -> Vec<Value> {
        (0..count).map(|id| json!({"attributes": [{"name": "profileId", "value": id.to_string()}]})).collect()
    }

    #[test]
    fn urls_follow_the_style() {
        let mut actito = test_settings();
        let list =
            "https://api3.actito.com/profiles/v5/entities/the%20shop/profile-tables/31/profiles?page=2&pageSize=50";
        assert_eq!(list_url(&actito, 2, 50).as_str(), list);
        actito.url_style = UrlStyle::Plain;
        assert_eq!(list_url(&actito, 2, 50).as_str(), list.replace("/profiles/v5", "/v5"));
        let one = "https://api3.actito.com/v5/entities/the%20shop/profile-tables/31/profiles/812";
        let key = Key::Id(ProfileId::parse("812").unwrap());
        assert_eq!(profile_url(&actito, &key).as_str(), one);
        assert_eq!(read_url(&actito, &key).as_str(), format!("{one}?includeNulls=true"));
        actito.assumed.list_first_page = 1;
        assert!(list_url(&actito, 0, 50).as_str().ends_with("?page=1&pageSize=50"));
    }

    #[test]
    fn a_write_is_confirmed_by_the_profile_or_by_silence() {
        let (actito, id) = (test_settings(), ProfileId::parse("812").unwrap());
        for body in ["", "\n", r#"{"profileId":812}"#, r#"{"attributes":[{"name":"profileId","value":"812"}]}"#] {
            assert!(confirms(body.as_bytes(), &actito, id), "{body}");
        }
        for body in [r#"{"profileId":813}"#, "{}", "[]", "<html>"] {
            assert!(!confirms(body.as_bytes(), &actito, id), "{body}");
        }
        assert_eq!(write_method(&actito), Method::PATCH);
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
}
