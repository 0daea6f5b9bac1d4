//! The report of a newsletter as it grows: links are numbered through all parts of it.

use encoding_rs::Encoding;
use url::Url;

use super::conditional::ends_comment;
use super::html::{Place, Quote};
use super::lint::{self, Lint, Remark};
use super::report::{Finding, Link, Outcome, Reason, Report, Warning};
use super::rules::{Patterns, Rules};
use super::utm::Utm;
use super::value::Value;
use super::{Options, charset};

/// What was decided so far.
pub(super) struct Draft<'a> {
    /// What was asked for.
    pub(super) options: Options<'a>,
    unsubscribe: Patterns,
    utm: Utm,
    lint: Lint,
    links: Vec<Link>,
    errors: Vec<Finding>,
    warnings: Vec<Warning>,
    pixel: bool,
    part: String,
}

/// One link as a document has it.
pub(super) struct Candidate<'a> {
    /// Its target, or what there is when it cannot be read.
    pub(super) target: Result<Value, Unread<'a>>,
    /// Whether the author asked for it to be left alone.
    pub(super) off: bool,
    /// Where relative links of the document start.
    pub(super) base: Option<&'a Url>,
    /// Where it stands.
    pub(super) place: Place,
    /// What the document is written in, and the click URL must be.
    pub(super) encoding: &'static Encoding,
    /// What a reader sees of it.
    pub(super) text: String,
}

/// A target that is not looked into.
pub(super) struct Unread<'a> {
    /// Its bytes.
    pub(super) raw: &'a [u8],
    /// Why.
    pub(super) reason: Reason,
}

impl Unread<'_> {
    fn text(&self) -> String {
        String::from_utf8_lossy(self.raw).into_owned()
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(options: Options<'a>) -> Self {
        Self {
            options,
            unsubscribe: Patterns::new(options.unsubscribe_patterns),
            utm: Utm::new(options.utm),
            lint: Lint::new(options.linker),
            links: Vec::new(),
            errors: Vec::new(),
            warnings: Vec::new(),
            pixel: false,
            part: String::new(),
        }
    }

    /// Begins the part of the newsletter that the next links stand in.
    pub(super) fn enter(&mut self, part: &str) {
        part.clone_into(&mut self.part);
    }

    /// Decides about the next link, and notes what was decided.
    pub(super) fn decide(&mut self, link: Candidate<'_>) -> Option<Value> {
        let number = self.links.len() + 1;
        let decision = self.click_url(number, &link);
        let (outcome, url) = match decision {
            Ok(url) => (Outcome::Rewritten { url: url.text().to_owned() }, Some(url)),
            Err(reason) => (Outcome::Left { reason }, None),
        };
        self.remark(number, &link, &outcome);
        let original = link.target.map_or_else(|unread| unread.text(), Value::into_text);
        self.links.push(Link { number, original, outcome, part: self.part.clone(), text: link.text });
        url
    }

    /// How many links were decided about: the number of the last one.
    pub(super) fn decided(&self) -> usize {
        self.links.len()
    }

    /// Leaves a link after all, because its new target has no place where it stands.
    pub(super) fn leave(&mut self, number: usize, reason: Reason, (code, message): Remark) {
        let Some(link) = number.checked_sub(1).and_then(|index| self.links.get_mut(index)) else { return };
        link.outcome = Outcome::Left { reason };
        let original = Some(link.original.clone());
        self.warnings.push(Warning { number: Some(number), original, code, message });
    }

    fn click_url(&self, number: usize, link: &Candidate<'_>) -> Result<Value, Reason> {
        let value = link.target.as_ref().map_err(|unread| unread.reason)?;
        let rules = Rules { options: self.options, unsubscribe: &self.unsubscribe, utm: &self.utm, base: link.base };
        if link.off {
            return Err(Reason::Off);
        }
        if link.place == Place::Unclear {
            return Err(Reason::UnclearMarkup);
        }
        let url = rules.apply(value, u16::try_from(number).map_err(|_| Reason::TooMany)?)?;
        // A merge field may hold anything, all else is escaped.
        let may_end_comment = link.place == Place::Comment && url.fields_hold('>');
        if may_end_comment && ends_comment(url.escaped(Quote::Double).as_bytes()) {
            return Err(Reason::EndsComment);
        }
        if !url.text().is_ascii() && charset::encode(url.text(), link.encoding).is_none() {
            return Err(Reason::Encoding);
        }
        Ok(url)
    }

    fn remark(&mut self, number: usize, link: &Candidate<'_>, outcome: &Outcome) {
        let original = || link.target.as_ref().map_or_else(Unread::text, |value| value.text().to_owned());
        let (errors, warnings) = match &link.target {
            Ok(value) => (self.lint.errors(value, outcome), lint::warnings(value, outcome)),
            Err(unread) => (lint::unread(unread.reason).into_iter().collect(), vec![]),
        };
        let finding = |(code, message)| Finding { number, original: original(), code, message };
        self.errors.extend(errors.into_iter().map(finding));
        let warning = |(code, message)| {
            let (number, original) = (Some(number), Some(original()));
            Warning { number, original, code, message }
        };
        self.warnings.extend(warnings.into_iter().map(warning));
    }

    /// Notes why a whole document had to be left as it is.
    pub(super) fn fail(&mut self, (code, message): Remark) {
        self.errors.push(Finding { number: 0, original: String::new(), code, message });
    }

    /// Notes what deserves a word about a whole document.
    pub(super) fn warn(&mut self, (code, message): Remark) {
        self.warnings.push(Warning { number: None, original: None, code, message });
    }

    /// Notes that the newsletter carries a pixel of ours.
    pub(super) fn note_pixel(&mut self) {
        self.pixel = true;
    }

    /// The report, when all parts are done.
    pub(super) fn report(self, bytes_in: usize, bytes_out: usize) -> Report {
        let linker = self.options.linker;
        Report {
            campaign: linker.maker.campaign.as_str().to_owned(),
            account: linker.pixel.account.as_str().to_owned(),
            bytes_in,
            bytes_out,
            pixel: self.pixel,
            links: self.links,
            errors: self.errors,
            warnings: self.warnings,
        }
    }
}
