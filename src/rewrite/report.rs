//! What was done to each link, as an operator reads it and as `--report` writes it.
//!
//! The JSON shape is a contract: fields appear in the order of these declarations, `url` only at
//! rewritten links, `reason` only at links left alone, and an empty `part`, `text` or `warnings` not at all.

use serde::Serialize;

/// The result of rewriting one newsletter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The campaign in every token.
    pub campaign: String,
    /// The account of the pixel; a link's own account is that of its site.
    pub account: String,
    /// Size of the newsletter before, in bytes.
    pub bytes_in: usize,
    /// Size of the newsletter after, in bytes.
    pub bytes_out: usize,
    /// Whether the newsletter now carries an open pixel of ours.
    pub pixel: bool,
    /// Every link found, in document order.
    pub links: Vec<Link>,
    /// What the e-mail platform would reject.
    pub errors: Vec<Finding>,
    /// What is no error but worth knowing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
}

impl Report {
    /// Whether the e-mail platform would reject the newsletter as it is.
    pub fn rejected(&self) -> bool {
        !self.errors.is_empty()
    }

    /// How many links lead through us now that did not before.
    pub fn rewritten(&self) -> usize {
        self.links.iter().filter(|link| matches!(link.outcome, Outcome::Rewritten { .. })).count()
    }
}

/// One link of the newsletter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Link {
    /// Its place in document order, from 1.
    pub number: usize,
    /// Its target, entities decoded.
    pub original: String,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The part of the newsletter that it stands in, when there are several.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub part: String,
    /// What a reader sees of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "lowercase")]
pub enum Outcome {
    /// It leads through us.
    Rewritten {
        /// The click URL, entities decoded.
        url: String,
    },
    /// Its bytes are as they were.
    Left {
        /// Why.
        reason: Reason,
    },
}

/// Why a link was left alone. The words are part of the report's contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Marked `data-reaid="off"`.
    Off,
    /// Nothing in it.
    Empty,
    /// A place on the same page: `#…`.
    Fragment,
    /// An e-mail address.
    Mailto,
    /// A telephone number.
    Tel,
    /// A text message.
    Sms,
    /// Any other scheme than `http` and `https`.
    OtherScheme,
    /// A merge field and nothing else: nobody knows yet where it leads.
    MergeField,
    /// A merge field in the scheme, host, path or fragment: the destination could not be signed.
    MergeFieldOutsideQuery,
    /// A merge field behind character references, which the e-mail platform may or may not see.
    MergeFieldEscaped,
    /// A merge field that never ends, perhaps because a quote in it ended the target.
    MergeFieldOpen,
    /// A condition or a loop of the e-mail platform: what the link is depends on it.
    TemplateBlock,
    /// A merge field that becomes an e-mail address, which must not appear in a URL of ours.
    AddressMergeField,
    /// No host, and no `<base href>` to take one from.
    RelativeWithoutBase,
    /// One of the configured unsubscribe patterns is in it.
    Unsubscribe,
    /// It leads through us already.
    Ours,
    /// Its host belongs to no site.
    OtherHost,
    /// Not a URL, one whose host is not what it seems to be, or one that would not read back as it is meant.
    Unsafe,
    /// Longer than a token may carry.
    TooLong,
    /// Markup around it that programs read in different ways: whether it is a link is not certain.
    UnclearMarkup,
    /// In a conditional comment, which the click URL would end.
    EndsComment,
    /// Its bytes, or those of the click URL, are none in the page's encoding.
    Encoding,
    /// Beyond the last number that a token can carry.
    TooMany,
    /// A bare `www.…` in plain text: some mail programs make a link of it, none has to.
    NoScheme,
    /// It goes on in the next line, where a mail program may or may not follow.
    Wrapped,
    /// With the click URL its line would be longer than mail may carry.
    LineTooLong,
}

/// Something that the e-mail platform would reject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The link's number; 0 when it is about the newsletter as a whole.
    pub number: usize,
    /// Its target, entities decoded; empty when it is about the newsletter as a whole.
    pub original: String,
    /// A stable word for the kind of finding.
    pub code: &'static str,
    /// What to do about it, in a sentence.
    pub message: String,
}

/// Something that is no error but worth knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// The link's number, when it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<usize>,
    /// Its target, entities decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// A stable word for the kind of warning.
    pub code: &'static str,
    /// What to do about it, in a sentence.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(number: usize, original: &str, outcome: Outcome) -> Link {
        Link { number, original: original.into(), outcome, part: String::new(), text: String::new() }
    }

    fn report() -> Report {
        let outcome = Outcome::Rewritten { url: "https://c.example/c/T?reaid=${reaid}".into() };
        let left = Outcome::Left { reason: Reason::Fragment };
        Report {
            campaign: "spring".into(),
            account: "1234".into(),
            bytes_in: 10,
            bytes_out: 20,
            pixel: true,
            links: vec![link(1, "https://shop.example/", outcome), link(2, "#top", left)],
            errors: vec![],
            warnings: vec![],
        }
    }

    #[test]
    fn the_report_has_the_documented_shape() {
        assert_eq!(
            serde_json::to_string(&report()).unwrap(),
            concat!(
                r#"{"campaign":"spring","account":"1234","bytes_in":10,"bytes_out":20,"pixel":true,"links":["#,
                r#"{"number":1,"original":"https://shop.example/","action":"rewritten","url":"https://c.example/c/T?reaid=${reaid}"},"#,
                r##"{"number":2,"original":"#top","action":"left","reason":"fragment"}],"errors":[]}"##
            )
        );
        assert_eq!(report().rewritten(), 1);
    }

    #[test]
    fn what_is_not_always_there_comes_last() {
        let mut report = report();
        report.links.remove(0);
        report.links[0].part = "text".into();
        report.links[0].text = "Up".into();
        report.errors.push(Finding { number: 2, original: "#top".into(), code: "c", message: "m".into() });
        report.warnings.push(Warning { number: None, original: None, code: "c", message: "m".into() });
        let json = serde_json::to_string(&report).unwrap();
        let (_, links) = json.split_once(r#""links":"#).unwrap();
        assert_eq!(
            links,
            concat!(
                r##"[{"number":2,"original":"#top","action":"left","reason":"fragment","part":"text","text":"Up"}],"##,
                r##""errors":[{"number":2,"original":"#top","code":"c","message":"m"}],"##,
                r#""warnings":[{"code":"c","message":"m"}]}"#
            )
        );
    }
}
