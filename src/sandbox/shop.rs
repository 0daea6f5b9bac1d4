//! The shop: every path that belongs to nobody else is a landing page. It reads the REAID the way
//! Raptor's browser script does, here for the record and in the page's own script for Raptor.

use std::fmt;
use std::sync::Mutex;

use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::Serialize;
use tokio::sync::watch;

use super::actito::Operation;
use super::faults::Service;
use super::kept::Kept;
use super::reply::{self, Dropped, Reply};
use super::{State, locked, newsletter, query};
use crate::clock::Timestamp;

const PAGE: &str = include_str!("landing.html");
/// The page brings its style and script along and talks to its own origin only.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      connect-src 'self'; base-uri 'none'; frame-ancestors 'none'";
/// Longest product name shown.
const MAX_NAME: usize = 60;

/// Somebody landed on a page of the shop.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Landing {
    /// Its number among all landings, from 1.
    pub number: u64,
    /// When, in milliseconds of sandbox time.
    pub at_millis: u64,
    /// Path and query, raw.
    pub target: String,
    /// The REAID that Raptor's script would find in it.
    pub reaid: Option<String>,
}

impl fmt::Debug for Landing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Landing")
            .field("number", &self.number)
            .field("has_reaid", &self.reaid.is_some())
            .finish_non_exhaustive()
    }
}

/// The shop's memory.
pub(super) struct Shop {
    landings: Mutex<Kept<Landing>>,
    /// How many landings there were; raised after the landing is kept.
    pub(super) landed: watch::Sender<u64>,
}

impl Shop {
    pub(super) fn new() -> Self {
        Self { landings: Mutex::new(Kept::new()), landed: watch::Sender::new(0) }
    }

    /// The newest `limit` landings, oldest of them first.
    pub(super) fn landings(&self, limit: usize) -> Vec<Landing> {
        locked(&self.landings).newest(limit)
    }

    /// How many landings there were in all.
    pub(super) fn count(&self) -> u64 {
        locked(&self.landings).seen()
    }

    fn land(&self, target: &str, reaid: Option<&str>, at: Timestamp) {
        let total = locked(&self.landings).push(target.len(), |number| Landing {
            number,
            at_millis: at.millis(),
            target: target.to_owned(),
            reaid: reaid.map(str::to_owned),
        });
        self.landed.send_modify(|landed| *landed = total.max(*landed));
    }
}

/// Answers with the landing page and keeps the landing; HEAD answers alike and keeps nothing.
pub(super) async fn answer(state: &State, request: &Request<Incoming>) -> Result<Reply, Dropped> {
    let uri = request.uri();
    if uri.path() == "/favicon.ico" {
        return Ok(reply::empty(StatusCode::NO_CONTENT));
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Ok(reply::text(StatusCode::METHOD_NOT_ALLOWED, "the shop has pages only"));
    }
    let verdict = state.faults.judge(Service::Shop, Operation::Landing, uri.path());
    if let Some(instead) = verdict.before(Service::Shop).await? {
        return Ok(instead);
    }
    let reaid = reaid_of(uri.query().unwrap_or_default());
    if request.method() == Method::GET {
        let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        state.shop.land(target, reaid.as_deref(), state.clock.now());
    }
    let page = reply::html(page(uri.path(), reaid.as_deref(), &state.options.account), POLICY);
    verdict.after(Service::Shop, page).await
}

/// What Raptor's older browser script takes from a query: the name in any case, the first value that
/// is not empty, cut at a raw `=`, percent-decoded (or left as it is when that fails).
fn reaid_of(raw: &str) -> Option<String> {
    let values = query::pairs(raw).filter(|(name, _)| name.eq_ignore_ascii_case("reaid"));
    let value = values.map(|(_, value)| value.split('=').next().unwrap_or_default()).find(|value| !value.is_empty())?;
    Some(query::decode_component(value).unwrap_or_else(|| value.to_owned()))
}

fn page(path: &str, reaid: Option<&str>, account: &str) -> String {
    PAGE.replace("{{account}}", account)
        .replace("{{product}}", &newsletter::escape(&product(path)))
        .replace("{{reaid}}", &newsletter::escape(reaid.unwrap_or("none")))
}

/// A product's name out of the last part of a path: `/mugs/blue-mug.html` is a "Blue mug".
fn product(path: &str) -> String {
    let last = query::decode(path.trim_end_matches('/').rsplit('/').next().unwrap_or_default());
    let stem = last.split('.').next().unwrap_or_default().replace(['-', '_', '+'], " ");
    let mut letters = stem.trim().chars().take(MAX_NAME);
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => "Everyday mug".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reaid_is_read_as_the_script_reads_it() {
        let cases = [
            ("x=1&reaid=abc", Some("abc")),
            ("REAID=abc&reaid=def", Some("abc")),
            ("reaid=&ReaId=abc", Some("abc")),
            ("reaid=abc=def", Some("abc")),
            ("reaid==abc&reaid=def", Some("def")),
            ("reaid=a%20b+c", Some("a b+c")),
            ("reaid=100%", Some("100%")),
            ("areaid=abc", None),
            ("reaid", None),
            ("", None),
        ];
        for (query, expected) in cases {
            assert_eq!(reaid_of(query).as_deref(), expected, "{query}");
        }
    }

    #[test]
    fn a_page_never_carries_markup_from_its_address() {
        let page = page("/%3Cscript%3Ex", Some("<img src=x>"), "1234");
        assert!(!page.contains("<img src=x>") && !page.contains("<script>x") && !page.contains("<Script"));
        assert!(page.contains("&lt;img src=x&gt;"));
        assert!(!page.contains("{{"));
    }

    #[test]
    fn a_product_is_named_after_its_path() {
        assert_eq!(product("/mugs/blue-mug.html"), "Blue mug");
        assert_eq!(product("/"), "Everyday mug");
    }
}
