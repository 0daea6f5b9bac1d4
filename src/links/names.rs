//! The names a link carries: the account its events are for, and its campaign.

/// A Raptor customer id: 4 or 5 digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Account(String);

/// A text that is no account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an account of 4 or 5 digits, found {0}")]
pub struct AccountError(Found);

impl Account {
    /// Checks the form.
    ///
    /// # Errors
    /// `text` is not 4 or 5 digits.
    pub fn parse(text: &str) -> Result<Self, AccountError> {
        let good = matches!(text.len(), 4 | 5) && text.bytes().all(|byte| byte.is_ascii_digit());
        if good { Ok(Self(text.to_owned())) } else { Err(AccountError(Found::of(text))) }
    }

    /// The digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name of a campaign: 1–64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Campaign(String);

/// A text that is no campaign.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a campaign of 1 to 64 characters of A-Z a-z 0-9 . _ -, found {0}")]
pub struct CampaignError(Found);

impl Campaign {
    /// Checks the form.
    ///
    /// # Errors
    /// `text` is too long, empty, or holds another character.
    pub fn parse(text: &str) -> Result<Self, CampaignError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let good = matches!(text.len(), 1..=64) && text.bytes().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(CampaignError(Found::of(text))) }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The longest text that an error repeats, in bytes: longer ones are no names that somebody mistyped.
const MAX_SHOWN: usize = 64;

/// What stood in the place of a name, as an error may repeat it: an address that got there by mistake
/// is not repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found(Result<String, usize>);

impl Found {
    fn of(text: &str) -> Self {
        let may_be_shown = text.len() <= MAX_SHOWN && !text.contains(['@', '%']) && !text.contains(char::is_control);
        Self(if may_be_shown { Ok(text.to_owned()) } else { Err(text.len()) })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Ok(text) => write!(f, "`{text}`"),
            Err(length) => write!(f, "{length} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_four_or_five_digits() {
        assert!(Account::parse("1234").is_ok() && Account::parse("12345").is_ok());
        for wrong in ["", "123", "123456", "12a4", "１２３４", "-123"] {
            assert!(Account::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn campaigns_are_short_and_plain() {
        assert!(Campaign::parse("Autumn-2026_v1.2").is_ok() && Campaign::parse(&"c".repeat(64)).is_ok());
        for wrong in ["", "a b", "a/b", "é", &"c".repeat(65)] {
            assert!(Campaign::parse(wrong).is_err(), "{wrong}");
        }
    }
    #[test]
    fn an_error_repeats_no_address() {
        assert!(Campaign::parse("a b").unwrap_err().to_string().ends_with("found `a b`"));
        assert!(Campaign::parse("jane@x.example").unwrap_err().to_string().ends_with("found 14 bytes"));
        assert!(Account::parse("jane%40x.example").unwrap_err().to_string().ends_with("found 16 bytes"));
    }
}
