//! What is in a click URL, whatever happened to it on its way, and where it would lead: the word of
//! [`Policy`](crate::links::Policy), which is the edge's own. Counts nothing.

use std::borrow::Cow;

use percent_encoding::percent_decode;
use serde::Serialize;

use super::pasted::{self, Pasted};
use super::{Author, AuthorError, Undone};
use crate::links::{Fallback, OpenLink, Opened, Recipient, Target, Unopened, Verdict, parameters};
use crate::listener::limits;

/// Percent-encodings within one another that are looked through for an address.
const LAYERS: usize = 8;

/// What stands in a shown location for a parameter that holds an address.
const ADDRESS: &[u8] = b"[address]";

/// What was found. The order of the fields is that of the JSON, which has all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// `opens`, or the kind of what keeps it from opening.
    pub state: &'static str,
    /// The same in a sentence.
    pub message: String,
    /// `link` or `pixel`: what the token was made for.
    pub kind: Option<&'static str>,
    /// `ours`, `unknown`, or `none` when only a path or a token was pasted.
    pub domain: &'static str,
    /// The key that signed it.
    pub key: Option<u8>,
    /// The account its events are for.
    pub account: Option<String>,
    /// Its campaign.
    pub campaign: Option<String>,
    /// Its number in the newsletter.
    pub number: Option<u16>,
    /// Whether a recipient is sealed inside.
    pub personal: Option<bool>,
    /// The page, as it was signed.
    pub destination: Option<String>,
    /// What the edge makes of the recipient, without `Sec-GPC`.
    pub identity: Option<&'static str>,
    /// The `Location` that the edge answers, with the REAID; a parameter that holds an address is shown
    /// as `[address]`.
    pub location: Option<String>,
    /// Whose page the location is when the link does not open: `site`, `edge`, or `page` for none.
    pub fallback: Option<&'static str>,
    /// What was undone to the text before it was looked into.
    pub undone: Vec<Undone>,
}

impl Inspection {
    /// Whether it opens.
    pub fn opens(&self) -> bool {
        self.state == OPENS
    }

    /// What there is to say, by name, for people.
    pub fn lines(&self) -> impl Iterator<Item = (&'static str, String)> {
        let undone: Vec<_> = self.undone.iter().map(|what| what.as_str()).collect();
        let all = [
            ("state", Some(self.state.to_owned())),
            ("message", Some(self.message.clone())),
            ("kind", self.kind.map(str::to_owned)),
            ("domain", Some(self.domain.to_owned())),
            ("key", self.key.map(|key| key.to_string())),
            ("account", self.account.clone()),
            ("campaign", self.campaign.clone()),
            ("number", self.number.map(|number| number.to_string())),
            ("personal", self.personal.map(|personal| personal.to_string())),
            ("destination", self.destination.clone()),
            ("identity", self.identity.map(str::to_owned)),
            ("location", self.location.clone()),
            ("fallback", self.fallback.map(str::to_owned)),
            ("undone", (!undone.is_empty()).then(|| undone.join(", "))),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

const OPENS: &str = "opens";

impl Author {
    /// Looks into a click URL as it was pasted.
    ///
    /// # Errors
    /// There is nothing like one in the text.
    pub fn inspect(&self, text: &str) -> Result<Inspection, AuthorError> {
        let pasted = pasted::read(text, |reading| self.score(reading))?;
        let domain = match &pasted.host {
            None => "none",
            Some(host) if self.policy.domains.of_host(host).is_some() => "ours",
            Some(_) => "unknown",
        };
        let mut found = Inspection { domain, undone: pasted.undone.clone(), ..Inspection::default() };
        self.look_into(&pasted, &mut found);
        if domain == "unknown" {
            (found.location, found.fallback) = (None, None);
            found.message = format!("{}; its host is no click domain of ours: we answer nothing there", found.message);
        }
        Ok(found)
    }

    /// How well a reading of the text makes sense.
    fn score(&self, reading: &Pasted) -> u8 {
        match self.policy.links.open(reading.token.as_bytes()) {
            Err(_) => 0,
            Ok(opened) => {
                let shop = self.policy.shop_of(&opened.account);
                let verdict = self.policy.identify(shop, opened.recipient, reading.query.as_bytes(), false).verdict;
                if verdict == Verdict::Valid { 2 } else { 1 }
            }
        }
    }

    fn look_into(&self, pasted: &Pasted, found: &mut Inspection) {
        if pasted.target_len > limits::TARGET {
            found.state = "target_too_long";
            found.message = format!("expected at most {} bytes after the host: we answer 414", limits::TARGET);
            return;
        }
        let opened = match self.policy.links.open(pasted.token.as_bytes()) {
            Ok(opened) => opened,
            Err(error) => return self.unopened(pasted, &Unopened::Token(error), error.to_string(), found),
        };
        found.describe(&opened);
        let is_pixel = opened.target == Target::Pixel;
        match (pasted.is_pixel.unwrap_or(is_pixel), is_pixel) {
            (true, true) => {
                let shop = self.policy.shop_of(&opened.account);
                found.opens_as(self.policy.identify(shop, opened.recipient, pasted.query.as_bytes(), false).verdict);
            }
            (true, false) => {
                found.state = "not_a_pixel";
                "a link's token in a pixel URL: the image is answered, and no event".clone_into(&mut found.message);
            }
            (false, _) => match self.policy.land(opened) {
                Ok(link) => self.lands(pasted, &link, found),
                Err(unopened) => {
                    let message = message(&unopened, found.destination.as_deref(), self);
                    self.unopened(pasted, &unopened, message, found);
                }
            },
        }
    }

    fn lands(&self, pasted: &Pasted, link: &OpenLink, found: &mut Inspection) {
        let shop = link.landing.site.and_then(|site| self.policy.shop(site));
        let who = self.policy.identify(shop, link.recipient, pasted.query.as_bytes(), false);
        found.opens_as(who.verdict);
        let query = without_addresses(pasted.query.as_bytes());
        let merged = link.landing.destination.merge(&query, who.reaid.as_ref());
        found.location = Some(merged.location.as_str().to_owned());
    }

    fn unopened(&self, pasted: &Pasted, unopened: &Unopened, message: String, found: &mut Inspection) {
        (found.state, found.message) = (unopened.kind(), message);
        // A pixel is always answered with the image.
        if pasted.is_pixel == Some(true) {
            return;
        }
        let asked = pasted.host.as_deref().and_then(|host| self.policy.domains.of_host(host));
        let domain = asked.unwrap_or(&self.policy.domains.first);
        let (whose, page) = match self.policy.fallback(unopened, domain) {
            Fallback::Site(page) => ("site", Some(page)),
            Fallback::Edge(page) => ("edge", Some(page)),
            Fallback::Page => ("page", None),
        };
        found.fallback = Some(whose);
        found.location = page.map(|page| page.location().as_str().to_owned());
    }
}

impl Inspection {
    fn describe(&mut self, opened: &Opened) {
        let (kind, destination) = match &opened.target {
            Target::Pixel => ("pixel", None),
            Target::Link(url) => ("link", Some(url.clone())),
        };
        (self.kind, self.destination) = (Some(kind), destination);
        self.key = Some(opened.key.get());
        self.account = Some(opened.account.as_str().to_owned());
        self.campaign = Some(opened.campaign.as_str().to_owned());
        self.number = Some(opened.number);
        self.personal = Some(matches!(opened.recipient, Recipient::Person(_)));
    }

    fn opens_as(&mut self, verdict: Verdict) {
        (self.state, self.identity) = (OPENS, Some(verdict.as_str()));
        let says = match verdict {
            Verdict::Valid => "opens, with the recipient's identity",
            Verdict::Missing => "opens, without identity: no parameter reaid",
            Verdict::MergeField => "opens, without identity: the e-mail platform did not replace the merge field",
            Verdict::CheckFailed => "opens, without identity: the parameter reaid is no REAID of this integration",
            Verdict::Disabled => {
                "opens, without identity: synchronisation is off, consent is missing, or the host left every site"
            }
            Verdict::Suppressed => "opens, without identity: the person asked to be forgotten",
        };
        says.clone_into(&mut self.message);
    }
}

fn message(unopened: &Unopened, destination: Option<&str>, author: &Author) -> String {
    match unopened {
        Unopened::Token(error) => error.to_string(),
        Unopened::NotALink => "a pixel's token in a click URL".to_owned(),
        Unopened::HostGone(_) | Unopened::Destination => {
            let judged = destination.map(|url| author.policy.sites.readmit(url));
            let why = judged.and_then(Result::err).map_or_else(String::new, |error| format!(": {error}"));
            format!("signed by us, but its page would not be signed today{why}")
        }
    }
}

/// The query with what holds an `@`, however often it is encoded, taken out: this is shown.
fn without_addresses(query: &[u8]) -> Cow<'_, [u8]> {
    if !parameters(query).any(|parameter| may_hold_address(parameter.raw)) {
        return Cow::Borrowed(query);
    }
    let shown = |parameter: crate::links::Parameter<'_>| match parameter {
        it if !may_hold_address(it.raw) => it.raw.to_vec(),
        it if may_hold_address(it.name) => ADDRESS.to_vec(),
        it => [it.name, b"=", ADDRESS].concat(),
    };
    Cow::Owned(parameters(query).map(shown).collect::<Vec<_>>().join(&b'&'))
}

fn may_hold_address(written: &[u8]) -> bool {
    let mut text = Cow::Borrowed(written);
    for _ in 0..LAYERS {
        if text.contains(&b'@') {
            return true;
        }
        let decoded: Vec<u8> = percent_decode(&text).collect();
        if decoded == *text {
            return false;
        }
        text = Cow::Owned(decoded);
    }
    true
}
