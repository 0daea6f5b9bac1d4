//! Who clicked, and why we do not know it when we do not.

use http::HeaderMap;

use super::{Policy, Shop};
use crate::identity::Reaid;
use crate::links::{Candidates, Claim, Recipient, parameters, reserved};

/// What became of a click's identity: the first thing a CRM engineer asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A REAID of the site's integration.
    Valid,
    /// No parameter `reaid`.
    Missing,
    /// The e-mail platform did not replace the merge field.
    MergeField,
    /// Something that is no REAID of this integration.
    CheckFailed,
    /// Switched off: by the integration, by Global Privacy Control, for want of consent, or because
    /// the page is on a host that left every site.
    Disabled,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Valid, Self::Missing, Self::MergeField, Self::CheckFailed, Self::Disabled];

    /// The label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::MergeField => "merge_field",
            Self::CheckFailed => "check_failed",
            Self::Disabled => "disabled",
        }
    }
}

/// What a request says about the person behind it.
pub(super) struct Identity {
    pub(super) verdict: Verdict,
    pub(super) reaid: Option<Reaid>,
    /// False without consent where it is needed: then nothing is sent to Raptor either.
    pub(super) may_be_sent: bool,
}

impl Identity {
    /// Nobody's: the click lands, nothing more.
    fn none(verdict: Verdict, may_be_sent: bool) -> Self {
        Self { verdict, reaid: None, may_be_sent }
    }
}

/// The personal link's recipient, else the first parameter that passes its check. Nothing that a
/// client can write is ever minted from.
pub(super) fn identify(
    policy: &Policy,
    shop: Option<&Shop>,
    recipient: Recipient,
    headers: &HeaderMap,
    query: &[u8],
) -> Identity {
    let may_be_sent = !policy.needs_consent || has_consent(query);
    let off = !may_be_sent || (policy.respect_gpc && is_gpc(headers));
    let Some(identities) = shop.and_then(|shop| shop.identities.as_deref()).filter(|_| !off) else {
        return Identity::none(Verdict::Disabled, may_be_sent);
    };
    let claim = match recipient {
        Recipient::Person(digest) => Claim::Valid(identities.mint(&digest)),
        Recipient::Anyone => Candidates::of_query(query).resolve(|text| identities.verify(text).ok()),
    };
    match claim {
        Claim::Valid(reaid) => Identity { verdict: Verdict::Valid, reaid: Some(reaid), may_be_sent },
        Claim::Missing => Identity::none(Verdict::Missing, may_be_sent),
        Claim::MergeField => Identity::none(Verdict::MergeField, may_be_sent),
        Claim::CheckFailed => Identity::none(Verdict::CheckFailed, may_be_sent),
    }
}

fn is_gpc(headers: &HeaderMap) -> bool {
    headers.get("sec-gpc").is_some_and(|value| value == "1")
}

fn has_consent(query: &[u8]) -> bool {
    parameters(query).any(|parameter| reserved::is_named(parameter.name, reserved::CONSENT) && parameter.value == b"1")
}
