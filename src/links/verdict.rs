//! Who clicked, and why we do not know it when we do not.

use super::{Candidates, Claim, Policy, Recipient, Shop, parameters, reserved};
use crate::identity::Reaid;

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
    /// The person asked to be forgotten.
    Suppressed,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Valid, Self::Missing, Self::MergeField, Self::CheckFailed, Self::Disabled, Self::Suppressed];

    /// The label for metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::MergeField => "merge_field",
            Self::CheckFailed => "check_failed",
            Self::Disabled => "disabled",
            Self::Suppressed => "suppressed",
        }
    }
}

/// What a click says about the person behind it.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// What became of it.
    pub verdict: Verdict,
    /// Who it is, when the verdict is `Valid`.
    pub reaid: Option<Reaid>,
    /// False without consent where it is needed: then nothing is sent to Raptor either.
    pub may_be_sent: bool,
}

impl Identity {
    /// Nobody's: the click lands, nothing more.
    fn none(verdict: Verdict, may_be_sent: bool) -> Self {
        Self { verdict, reaid: None, may_be_sent }
    }
}

impl Policy {
    /// The personal link's recipient, else the first parameter that passes its check; nobody when the
    /// person `declined` by a header, or asked to be forgotten. Nothing that a client can write is ever minted from.
    pub fn identify(&self, shop: Option<&Shop>, recipient: Recipient, query: &[u8], declined: bool) -> Identity {
        let may_be_sent = !self.needs_consent || has_consent(query);
        let off = !may_be_sent || declined;
        let Some(identities) = shop.and_then(|shop| shop.identities.as_deref()).filter(|_| !off) else {
            return Identity::none(Verdict::Disabled, may_be_sent);
        };
        let claim = match recipient {
            // After a rotation the REAID is one that no erasure knew: the digest is asked about.
            Recipient::Person(digest) if self.suppressed.has(&digest) => {
                return Identity::none(Verdict::Suppressed, may_be_sent);
            }
            Recipient::Person(digest) => Claim::Valid(identities.mint(&digest)),
            Recipient::Anyone => Candidates::of_query(query).resolve(|text| identities.verify(text).ok()),
        };
        match claim {
            Claim::Valid(reaid) if self.suppressed.has_reaid(&reaid) => {
                Identity::none(Verdict::Suppressed, may_be_sent)
            }
            Claim::Valid(reaid) => Identity { verdict: Verdict::Valid, reaid: Some(reaid), may_be_sent },
            Claim::Missing => Identity::none(Verdict::Missing, may_be_sent),
            Claim::MergeField => Identity::none(Verdict::MergeField, may_be_sent),
            Claim::CheckFailed => Identity::none(Verdict::CheckFailed, may_be_sent),
        }
    }
}

fn has_consent(query: &[u8]) -> bool {
    parameters(query).any(|parameter| reserved::is_named(parameter.name, reserved::CONSENT) && parameter.value == b"1")
}
