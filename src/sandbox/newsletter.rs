//! The newsletter as a recipient sees it: merge fields replaced, links wrapped when asked for.
//! How Actito encodes a value that is not URL-safe is not known; here it is made safe for its place.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use http::header::HOST;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use lol_html::{RewriteStrSettings, element, rewrite_str};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::reply::{self, Reply};
use super::table::{PROFILE_ID, Profile};
use super::{State, locked, query, wrapper};

/// Largest newsletter: what the rewriter takes, and a little for its links.
const MAX_HTML: usize = 12 * 1024 * 1024;
/// Newsletters load pictures from anywhere and run nothing.
const POLICY: &str = "default-src 'none'; img-src * data:; style-src * 'unsafe-inline'; font-src *";
/// URL-safe: what no URL needs to encode.
const URL_UNSAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A newsletter over the limit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a newsletter of at most {MAX_HTML} bytes, found {0}")]
pub struct NewsletterTooLarge(pub usize);

impl NewsletterTooLarge {
    /// A label for counting.
    pub fn kind(&self) -> &'static str {
        "too_large"
    }
}

/// The newsletter that is out, if one is.
#[derive(Default)]
pub(super) struct Newsletter {
    html: Mutex<Option<Arc<str>>>,
}

impl Newsletter {
    pub(super) fn publish(&self, html: String) -> Result<(), NewsletterTooLarge> {
        if html.len() > MAX_HTML {
            return Err(NewsletterTooLarge(html.len()));
        }
        *locked(&self.html) = Some(html.into());
        Ok(())
    }

    /// The HTML as published.
    pub(super) fn html(&self) -> Option<Arc<str>> {
        locked(&self.html).clone()
    }
}

/// `GET /sandbox/newsletter/{profileId}`, with `?wrapped=1` through Actito's click wrapper.
pub(super) fn answer(state: &State, request: &Request<Incoming>) -> Reply {
    if request.method() != Method::GET {
        return reply::control_error(StatusCode::METHOD_NOT_ALLOWED, "GET only");
    }
    let id = request.uri().path().rsplit('/').next().unwrap_or_default().parse().ok();
    let Some(profile) = id.and_then(|id| state.actito.read(|table| table.get(id))) else {
        return reply::control_error(StatusCode::NOT_FOUND, "no such profile");
    };
    let Some(html) = state.newsletter.html() else {
        return reply::control_error(StatusCode::NOT_FOUND, "no newsletter is published");
    };
    let page = personalise(&html, &profile);
    if query::value(request.uri().query().unwrap_or_default(), "wrapped").as_deref() != Some("1") {
        return reply::html(page, POLICY);
    }
    match wrap_links(&page, &base(state, request)) {
        Some(wrapped) => reply::html(wrapped, POLICY),
        None => reply::control_error(StatusCode::INTERNAL_SERVER_ERROR, "the newsletter's HTML cannot be parsed"),
    }
}

/// Text made safe for HTML's text and quoted attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

/// Replaces each `${attribute}` by the profile's value: nothing when it is null; a URL-safe value as
/// it is, any other percent-encoded inside a tag and escaped outside. A field of an attribute that
/// does not exist stays, for everybody to see.
fn personalise(html: &str, profile: &Profile) -> String {
    let mut page = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(start) = rest.find("${") {
        let (before, field) = rest.split_at(start);
        page.push_str(before);
        let known = field.find('}').and_then(|end| Some((value(profile, &field[2..end])?, end + 1)));
        let (text, used) = match known {
            Some((value, used)) => (safe(&value, is_inside_tag(&page)), used),
            None => ("${".to_owned(), 2),
        };
        page.push_str(&text);
        rest = &field[used..];
    }
    page.push_str(rest);
    page
}

/// The attribute's value, empty for null; `None` when there is no such attribute.
fn value(profile: &Profile, name: &str) -> Option<String> {
    if name == PROFILE_ID {
        return Some(profile.id.to_string());
    }
    profile.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone().unwrap_or_default())
}

fn safe(value: &str, inside_tag: bool) -> String {
    if inside_tag { utf8_percent_encode(value, URL_UNSAFE).to_string() } else { escape(value) }
}

/// Whether text appended to `page` would stand inside a tag; good enough for newsletters, which do
/// not write a bare `<` into their text.
fn is_inside_tag(page: &str) -> bool {
    page.rfind('<') > page.rfind('>')
}

/// Sends every http(s) link through the wrapper at `base`; `None` when the HTML cannot be parsed.
fn wrap_links(html: &str, base: &str) -> Option<String> {
    let failed = Cell::new(false);
    let handler = element!("a[href], area[href]", |link| {
        let href = unescape(link.get_attribute("href").unwrap_or_default().trim());
        if href.get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")) {
            let wrapped = format!("{base}{}", wrapper::path_for(&href));
            failed.set(failed.get() || link.set_attribute("href", &wrapped).is_err());
        }
        Ok(())
    });
    let wrapped = rewrite_str(html, RewriteStrSettings::new().append_element_content_handler(handler)).ok()?;
    (!failed.get()).then_some(wrapped)
}

/// The entities that URLs in newsletters hold.
fn unescape(value: &str) -> String {
    const AMPERSANDS: [&str; 4] = ["&amp;", "&#38;", "&#x26;", "&AMP;"];
    AMPERSANDS
        .iter()
        .fold(value.replace("&quot;", "\"").replace("&#39;", "'"), |text, entity| text.replace(entity, "&"))
}

/// Where the reader came to us, so that wrapped links lead back to the same place.
fn base(state: &State, request: &Request<Incoming>) -> String {
    let is_plain = |host: &&str| host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".:-[]".contains(&byte));
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).filter(is_plain);
    host.map_or_else(|| format!("http://{}", state.address), |host| format!("http://{host}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jane() -> Profile {
        let attribute = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        Profile {
            id: 812,
            attributes: vec![
                attribute("firstName", Some("Jane & <Co>")),
                attribute("reaid", Some("AVCX2Xn3_-")),
                attribute("lastName", None),
            ],
        }
    }

    #[test]
    fn merge_fields_become_the_profiles_values() {
        let html =
            r#"<p>Dear ${firstName}${lastName},</p><a href="https://c.example/c/x?reaid=${reaid}&amp;n=${firstName}">"#;
        let expected = r#"<p>Dear Jane &amp; &lt;Co&gt;,</p><a href="https://c.example/c/x?reaid=AVCX2Xn3_-&amp;n=Jane%20%26%20%3CCo%3E">"#;
        assert_eq!(personalise(html, &jane()), expected);
        assert_eq!(personalise("${profileId}", &jane()), "812");
    }

    #[test]
    fn an_unknown_or_broken_field_stays_as_it_is() {
        for text in ["${unknown}", "a ${", "${reaid", "$ {reaid}", "${${"] {
            assert_eq!(personalise(text, &jane()), text);
        }
        assert_eq!(personalise("${x ${reaid}", &jane()), "${x AVCX2Xn3_-");
    }

    #[test]
    fn web_links_are_wrapped_and_others_are_not() {
        let html =
            r#"<a href="https://c.example/c/x?a=1&amp;b=2">1</a><a href='mailto:x'>2</a><area href=HTTP://x.example>"#;
        let wrapped = wrap_links(html, "http://127.0.0.1:1").unwrap();
        assert!(
            wrapped
                .contains(r#"<a href="http://127.0.0.1:1/wrap?to=https%3A%2F%2Fc%2Eexample%2Fc%2Fx%3Fa%3D1%26b%3D2">"#)
        );
        assert!(wrapped.contains("<a href='mailto:x'>"));
        assert!(wrapped.contains(r#""http://127.0.0.1:1/wrap?to=HTTP%3A%2F%2Fx%2Eexample""#));
    }
}
