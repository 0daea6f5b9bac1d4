//! The shop's own cookies, which a click on the shop's domain carries and may set: so that the page
//! behind the link, and every later one, knows the visitor whose click we record.
//!
//! A cookie is any client's to write: what is not a GUID is no id, and nothing of it is logged.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};

use crate::clock::Timestamp;
use crate::identity::{Guid, Identities, Reaid};
use crate::links::{Account, CookieRules, Identity, Verdict};
use crate::raptor::names;
use crate::tracking::CookieIds;

/// How long Raptor's script keeps the visitor.
const VISITOR_AGE: Duration = Duration::from_secs(365 * 24 * 3600);

/// How long Raptor's script keeps a session after its last page.
const SESSION_AGE: Duration = Duration::from_secs(20 * 60);

/// A cookie that a click sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookie {
    Reaid,
    Visitor,
    Session,
}

impl Cookie {
    pub(super) const ALL: [Self; 3] = [Self::Reaid, Self::Visitor, Self::Session];

    /// The label for metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Reaid => "reaid",
            Self::Visitor => "visitor",
            Self::Session => "session",
        }
    }
}

/// What the cookies of a click say, and which ones it sets.
#[derive(Default)]
pub(super) struct Visit {
    pub(super) ids: CookieIds,
    pub(super) set: Vec<(Cookie, HeaderValue)>,
}

impl Visit {
    /// Reads the cookies of somebody's click and decides which to set. Nobody's cookies are touched
    /// whose identity is switched off or erased, who asks not to be tracked, or who has not consented.
    pub(super) fn of(rules: &CookieRules, headers: &HeaderMap, who: &Identity, derived: Option<(Guid, Guid)>) -> Self {
        let jar = Jar::read(rules, headers);
        if matches!(who.verdict, Verdict::Disabled | Verdict::Suppressed)
            || super::asks_not_to(headers)
            || !jar.consents
        {
            return Self::default();
        }
        let bytes = |cookie: &Found| cookie.id.map(Guid::to_bytes);
        let ids = CookieIds { coid: bytes(&jar.visitor), sid: bytes(&jar.session) };
        let set = match (who.reaid, derived) {
            // Another REAID means somebody else's browser, or a mail that was passed on: nothing is put beside it.
            (Some(reaid), Some(derived)) if jar.reaids.iter().all(|own| *own == reaid.as_str().as_bytes()) => {
                jar.missing(rules, reaid, derived)
            }
            _ => Vec::new(),
        };
        Self { ids, set }
    }
}

/// The visitor and the session that Raptor is told of this person, when no cookie says otherwise.
pub(super) fn derived(
    identities: Option<&Identities>,
    account: &Account,
    who: &Identity,
    at: Timestamp,
) -> Option<(Guid, Guid)> {
    let ids = identities?.visitor(account.as_str(), who.reaid?.as_str(), at.secs())?;
    Some((ids.coid, ids.sid))
}

fn set_cookie(rules: &CookieRules, name: &str, value: &str, age: Duration) -> Option<HeaderValue> {
    let (domain, secure) = (rules.domain.as_str(), if rules.secure { "; Secure" } else { "" });
    let text = format!("{name}={value}; Domain={domain}; Path=/; Max-Age={}{secure}; SameSite=Lax", age.as_secs());
    HeaderValue::try_from(text).ok()
}

/// What a request's cookies say of what we look for.
#[derive(Default)]
struct Jar<'a> {
    visitor: Found,
    session: Found,
    /// There is a REAID under the name that the newer tag reads.
    has_reaid: bool,
    /// Every REAID that is there, under any name.
    reaids: Vec<&'a [u8]>,
    consents: bool,
}

/// An id under a cookie's name: one that is not a GUID is there, but says nothing.
#[derive(Default)]
struct Found {
    present: bool,
    id: Option<Guid>,
}

impl Found {
    fn see(&mut self, value: &[u8]) {
        self.present |= !value.is_empty();
        self.id = self.id.or_else(|| Guid::parse(value));
    }
}

impl<'a> Jar<'a> {
    fn read(rules: &CookieRules, headers: &'a HeaderMap) -> Self {
        let mut jar = Self { consents: rules.consent.is_none(), ..Self::default() };
        for (name, value) in cookies(headers) {
            if let Some((consent, given)) = &rules.consent {
                jar.consents |= name == consent.as_bytes() && value == given.as_bytes();
            }
            let plain = name.strip_prefix(rules.account.as_str().as_bytes()).unwrap_or(name);
            let is = |known: &str| plain == known.as_bytes();
            if is(names::VISITOR_COOKIE) {
                jar.visitor.see(value);
            } else if is(names::SESSION_COOKIE) {
                jar.session.see(value);
            } else if (is(names::REAID_COOKIE) || is(names::OLDER_REAID_COOKIE)) && !value.is_empty() {
                jar.has_reaid |= name == names::REAID_COOKIE.as_bytes();
                jar.reaids.push(value);
            }
        }
        jar
    }

    /// The cookies that are not there, with what Raptor is told of this person.
    fn missing(&self, rules: &CookieRules, reaid: Reaid, (coid, sid): (Guid, Guid)) -> Vec<(Cookie, HeaderValue)> {
        let mut set = Vec::new();
        let mut add = |cookie, name, value: &str, age| {
            set.extend(set_cookie(rules, name, value, age).map(|written| (cookie, written)));
        };
        if !self.has_reaid {
            add(Cookie::Reaid, names::REAID_COOKIE, reaid.as_str(), rules.reaid_max_age);
        }
        if !self.visitor.present {
            add(Cookie::Visitor, names::VISITOR_COOKIE, &coid.to_string(), VISITOR_AGE);
        }
        if !self.session.present {
            add(Cookie::Session, names::SESSION_COOKIE, &sid.to_string(), SESSION_AGE);
        }
        set
    }
}

/// Names and values of all cookies, in order, from any bytes: a client may send several fields, and
/// HTTP/2 may cut one into crumbs.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&[u8], &[u8])> {
    let crumbs = headers.get_all(header::COOKIE).iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b';'));
    crumbs.filter_map(|crumb| {
        let equals = memchr::memchr(b'=', crumb)?;
        let value = crumb[equals + 1..].trim_ascii();
        let unquoted = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\""));
        Some((crumb[..equals].trim_ascii(), unquoted.unwrap_or(value)))
    })
}

#[cfg(test)]
mod tests;
