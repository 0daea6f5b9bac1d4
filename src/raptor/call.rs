//! The tracking call: one GET for one event.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};
use url::Url;

use super::names;

/// Everything but RFC 3986's unreserved characters is percent-encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The pseudonyms Raptor knows a visitor by, as upper-case GUIDs.
#[derive(Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The visitor.
    pub coid: String,
    /// The session.
    pub sid: String,
}

impl fmt::Debug for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor(…)")
    }
}

/// What a call says.
pub struct Call<'a> {
    /// The Raptor customer id.
    pub account: &'a str,
    /// The event's type.
    pub event: &'a str,
    /// Who did it.
    pub visitor: &'a Visitor,
    /// Who it was sent to, where known.
    pub reaid: Option<&'a str>,
    /// The page a click landed on, cleaned by [`super::page_url`]; `None` for an open.
    pub page: Option<&'a str>,
    /// The campaign, told for opens only: a click has those of its page.
    pub campaign: &'a str,
}

/// Room for the parameters of a usual call, beside its page.
const QUERY: usize = 256;

/// The URL of a call below `base`: parameters in the documented order, everything encoded, nothing empty.
pub fn tracking_url(base: &Url, client: &str, call: &Call<'_>) -> Url {
    let below = base.path().trim_end_matches('/');
    let mut url = base.clone();
    url.set_path(&format!("{below}/{}.rsa", percent_encode(call.account.as_bytes(), ENCODED)));
    url.set_query(Some(&query(client, call)));
    url
}

fn query(client: &str, call: &Call<'_>) -> String {
    let mut query = String::with_capacity(QUERY + 2 * call.page.map_or(0, str::len));
    let mut add = |name: &str, value: &[u8]| {
        if !value.is_empty() {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            query.extend(percent_encode(value, ENCODED));
        }
    };
    add(names::EVENT_TYPE, call.event.as_bytes());
    add(names::SESSION, call.visitor.sid.as_bytes());
    add(names::VISITOR, call.visitor.coid.as_bytes());
    add(names::REAID, call.reaid.unwrap_or_default().as_bytes());
    add(names::CLIENT, client.as_bytes());
    match call.page {
        None => add(names::UTM_CAMPAIGN, call.campaign.as_bytes()),
        Some(page) => {
            add(names::PAGE, page.as_bytes());
            for (name, value) in names::UTM.into_iter().zip(campaign_of(page)) {
                add(name, &Cow::from(percent_decode_str(value)));
            }
        }
    }
    query
}

/// The first non-empty value of each campaign parameter of a page, as it stands there.
fn campaign_of(page: &str) -> [&str; names::UTM.len()] {
    let mut values = [""; names::UTM.len()];
    let query = page.split_once('?').map_or("", |(_, query)| query);
    for (name, value) in query.split('&').filter_map(|parameter| parameter.split_once('=')) {
        if let Some(at) = names::UTM.iter().position(|known| *known == name).filter(|at| values[*at].is_empty()) {
            values[at] = value;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(url: &str) -> Url {
        url.parse().unwrap()
    }

    fn visitor() -> Visitor {
        Visitor { coid: "C".into(), sid: "S".into() }
    }

    #[test]
    fn a_click_is_told_with_its_page_and_the_campaign_of_the_page() {
        let visitor = visitor();
        let call = Call {
            account: "1234",
            event: "newsletterclick",
            visitor: &visitor,
            reaid: Some("AVCX2Xn3aHNLYEVZLOeLQLnM"),
            page: Some("https://shop.example/p?x=1&utm_source=a%20b+c&utm_campaign=&utm_term=%C3%A9"),
            campaign: "demo",
        };
        assert_eq!(
            tracking_url(&base("https://t.example/"), "reaid-edge", &call).as_str(),
            "https://t.example/1234.rsa?p1=newsletterclick&sid=S&coid=C&reaid=AVCX2Xn3aHNLYEVZLOeLQLnM&v=reaid-edge\
            &url=https%3A%2F%2Fshop.example%2Fp%3Fx%3D1%26utm_source%3Da%2520b%2Bc%26utm_campaign%3D%26utm_term%3D%25C3%25A9\
            &utm_source=a%20b%2Bc&utm_term=%C3%A9"
        );
    }

    #[test]
    fn an_open_has_no_page_but_its_campaign() {
        let visitor = visitor();
        let call = Call {
            account: "1234",
            event: "newsletteropen",
            visitor: &visitor,
            reaid: None,
            page: None,
            campaign: "demo",
        };
        assert_eq!(
            tracking_url(&base("http://127.0.0.1:1"), "", &call).as_str(),
            "http://127.0.0.1:1/1234.rsa?p1=newsletteropen&sid=S&coid=C&utm_campaign=demo"
        );
    }
}
