//! The API key, kept out of sight.

use std::fmt;

use zeroize::Zeroizing;

/// The raw API key of a licence. Never printed, wiped from memory when dropped.
#[derive(Clone)]
pub struct ApiKey(Zeroizing<String>);

impl ApiKey {
    /// Takes the key as it stands in its file or variable; white space around it is not part of it.
    pub fn new(text: &str) -> Self {
        Self(Zeroizing::new(text.trim().to_owned()))
    }

    /// The value of the `Authorization` header of a token call.
    pub(super) fn header_value(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_key() {
        assert_eq!(format!("{:?}", ApiKey::new("very-secret\n")), "ApiKey(…)");
        assert_eq!(ApiKey::new("very-secret\n").header_value(), "very-secret");
    }
}
