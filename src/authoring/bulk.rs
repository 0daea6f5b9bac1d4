//! Many links in one call: a line of JSON in, a line of JSON out, in the same order.
//!
//! A line that is wrong is an error on that line, and the rest goes on. No error repeats an address.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::link::Page;
use super::{Author, AuthorError, LinkOrder};
use crate::links::{Account, Campaign};

/// Lines of one call: a mailing of a million is a hundred calls, each of them a second of one core.
pub const MAX_LINES: usize = 10_000;

/// The longest line, in bytes: a page of 2 KiB with every character escaped, and its recipient.
pub const MAX_LINE: usize = 16 << 10;

/// Pages remembered within one call: those of a newsletter are some tens.
const PAGES: NonZeroUsize = NonZeroUsize::new(256).unwrap();

/// What a line may leave out.
#[derive(Clone, Debug, Default)]
pub struct LinkDefaults {
    /// The page.
    pub url: Option<String>,
    /// The campaign.
    pub campaign: Option<String>,
    /// The account.
    pub account: Option<String>,
    /// The number; 1 when nothing says otherwise.
    pub number: Option<u16>,
}

/// One call: takes bytes as they come, and answers each line that ended.
pub struct Bulk {
    author: Arc<Author>,
    defaults: LinkDefaults,
    /// That of the line before.
    campaign: Option<Campaign>,
    pages: LruCache<String, Page>,
    /// Lines that ended.
    lines: usize,
    /// The line that has not ended; empty while one that is too long is passed over.
    line: Vec<u8>,
    too_long: bool,
    over: bool,
}

/// One line, as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Order<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    url: Option<String>,
    campaign: Option<String>,
    account: Option<String>,
    number: Option<u16>,
    to: Option<String>,
    digest: Option<String>,
}

#[derive(Serialize)]
struct Made<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    url: String,
}

#[derive(Serialize)]
struct Failed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    line: usize,
    error: Error,
}

#[derive(Serialize)]
struct Error {
    code: &'static str,
    message: String,
}

impl Bulk {
    /// Begins a call.
    ///
    /// # Errors
    /// A default is wrong: it would be on every line.
    pub fn new(author: Arc<Author>, defaults: LinkDefaults) -> Result<Self, AuthorError> {
        defaults.account.as_deref().map(Account::parse).transpose()?;
        defaults.campaign.as_deref().map(Campaign::parse).transpose()?;
        defaults.url.as_deref().map(|url| author.page(url)).transpose()?;
        Ok(Self {
            author,
            defaults,
            campaign: None,
            pages: LruCache::new(PAGES),
            lines: 0,
            line: Vec::new(),
            too_long: false,
            over: false,
        })
    }

    /// Takes the next bytes, and writes an answer for each line that ends in them.
    pub fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let mut rest = bytes;
        while let Some(end) = memchr::memchr(b'\n', rest).filter(|_| !self.over) {
            self.grow(&rest[..end]);
            self.end_line(out);
            rest = &rest[end + 1..];
        }
        if !self.over {
            self.grow(rest);
        }
    }

    /// Answers the last line, when nothing ended it.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        if !self.over && (self.too_long || !self.line.is_empty()) {
            self.end_line(out);
        }
    }

    /// Ends the call with an error on the line that is next.
    pub fn stop(&mut self, code: &'static str, message: String, out: &mut Vec<u8>) {
        self.over = true;
        write(out, &Failed { id: None, line: self.lines + 1, error: Error { code, message } });
    }

    /// Whether nothing more is taken.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn grow(&mut self, bytes: &[u8]) {
        if self.too_long || self.line.len() + bytes.len() > MAX_LINE {
            self.too_long = true;
            self.line = Vec::new();
        } else {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        if self.lines == MAX_LINES {
            return self.stop("too_many_lines", format!("expected at most {MAX_LINES} lines"), out);
        }
        self.lines += 1;
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            let message = format!("expected at most {MAX_LINE} bytes");
            let error = Error { code: "line_too_long", message };
            return write(out, &Failed { id: None, line: self.lines, error });
        }
        if !line.trim_ascii().is_empty() {
            self.answer(&line, out);
        }
        self.line = line;
        self.line.clear();
    }

    fn answer(&mut self, line: &[u8], out: &mut Vec<u8>) {
        let order: Order<'_> = match serde_json::from_slice(line) {
            Ok(order) => order,
            // Its own text repeats what it found, which may be an address.
            Err(error) => {
                let message = format!(
                    "expected one JSON object of url, campaign, account, number, to, digest and id; column {} is wrong",
                    error.column()
                );
                return write(out, &Failed { id: None, line: self.lines, error: Error { code: "json", message } });
            }
        };
        match self.link(&order) {
            Ok(url) => write(out, &Made { id: order.id, url }),
            Err(error) => {
                let error = Error { code: error.kind(), message: error.to_string() };
                write(out, &Failed { id: order.id, line: self.lines, error });
            }
        }
    }

    fn link(&mut self, order: &Order<'_>) -> Result<String, AuthorError> {
        let defaults = &self.defaults;
        let url = order.url.as_deref().or(defaults.url.as_deref()).ok_or(AuthorError::Missing("url"))?;
        let campaign = order.campaign.as_deref().or(defaults.campaign.as_deref());
        let campaign = campaign.ok_or(AuthorError::Missing("campaign"))?;
        let asked = LinkOrder {
            url,
            campaign,
            account: order.account.as_deref().or(defaults.account.as_deref()),
            number: order.number.or(defaults.number).unwrap_or(1),
            to: order.to.as_deref(),
            digest: order.digest.as_deref(),
        };
        let campaign = match self.campaign.take().filter(|last| last.as_str() == campaign) {
            Some(same) => same,
            None => Campaign::parse(campaign)?,
        };
        let page = self.pages.try_get_or_insert_ref(url, || self.author.page(url))?;
        self.author.link_to(page, self.campaign.insert(campaign), asked)
    }
}

fn write(out: &mut Vec<u8>, answer: &impl Serialize) {
    #[expect(clippy::expect_used, reason = "texts and numbers, written to memory")]
    serde_json::to_writer(&mut *out, answer).expect("JSON");
    out.push(b'\n');
}
