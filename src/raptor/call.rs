//! The tracking call: one GET for one event.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

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

/// The URL of a call: parameters in the documented order, everything encoded, nothing empty.
pub fn tracking_url(base: &str, client: &str, call: &Call<'_>) -> String {
    let base = base.trim_end_matches('/');
    let mut url = format!("{base}/{}.rsa", percent_encode(call.account.as_bytes(), ENCODED));
    let mut separator = '?';
    let mut add = |name: &str, value: &[u8]| {
        if !value.is_empty() {
            url.push(separator);
            url.push_str(name);
            url.push('=');
            url.extend(percent_encode(value, ENCODED));
            separator = '&';
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
            for name in names::UTM {
                add(name, &parameter(page, name));
            }
        }
    }
    url
}

/// The value of the first non-empty parameter with this very name, percent-decoded; a `+` stays one.
fn parameter(page: &str, name: &str) -> Vec<u8> {
    let query = page.split_once('?').map_or("", |(_, query)| query);
    let mut values = query.split('&').filter_map(|parameter| parameter.split_once('='));
    let found = values.find(|(found, value)| *found == name && !value.is_empty());
    found.map(|(_, value)| percent_decode_str(value).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

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
            tracking_url("https://t.example/", "reaid-edge", &call),
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
            tracking_url("http://127.0.0.1:1", "", &call),
            "http://127.0.0.1:1/1234.rsa?p1=newsletteropen&sid=S&coid=C&utm_campaign=demo"
        );
    }
}
