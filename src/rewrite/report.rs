//! What was done to each link, as an operator reads it and as `--report` writes it.
//!
//! The JSON shape is a contract: fields appear in the order of these declarations, `url` only at
//! rewritten links and `reason` only at links left alone.

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
}

impl Report {
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
    /// Not a URL, one whose host is not what it seems to be, or one with a merge field that never ends.
    Unsafe,
    /// Longer than a token may carry.
    TooLong,
    /// Its bytes are not UTF-8.
    Encoding,
    /// Beyond the last number that a token can carry.
    TooMany,
}

/// Something that the e-mail platform would reject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The link's number.
    pub number: usize,
    /// Its target, entities decoded.
    pub original: String,
    /// A stable word for the kind of finding.
    pub code: &'static str,
    /// What to do about it, in a sentence.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_the_documented_shape() {
        let left = Link { number: 2, original: "#top".into(), outcome: Outcome::Left { reason: Reason::Fragment } };
        let outcome = Outcome::Rewritten { url: "https://c.example/c/T?reaid=${reaid}".into() };
        let report = Report {
            campaign: "spring".into(),
            account: "1234".into(),
            bytes_in: 10,
            bytes_out: 20,
            pixel: true,
            links: vec![Link { number: 1, original: "https://shop.example/".into(), outcome }, left],
            errors: vec![],
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            concat!(
                r#"{"campaign":"spring","account":"1234","bytes_in":10,"bytes_out":20,"pixel":true,"links":["#,
                r#"{"number":1,"original":"https://shop.example/","action":"rewritten","url":"https://c.example/c/T?reaid=${reaid}"},"#,
                r##"{"number":2,"original":"#top","action":"left","reason":"fragment"}],"errors":[]}"##
            )
        );
        assert_eq!(report.rewritten(), 1);
    }
}
