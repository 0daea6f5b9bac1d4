//! Parameter names that carry an identity. They are ours alone: no signed destination holds one, and
//! none passes from a click URL to the shop but the REAID that we checked.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The name under which the shop's page looks for the REAID.
pub const REAID: &str = "reaid";

/// The name under which a click carries consent (`reaid_consent=1`).
pub const CONSENT: &str = "reaid_consent";

/// Every reserved name, in lower case.
const NAMES: [&str; 6] = [REAID, "ruid", "rsareaid", CONSENT, "email", "eh"];

/// Whether a parameter name, as written in a query, is a reserved one in any case or mangling.
pub fn is_reserved(written: &[u8]) -> bool {
    let decoded = decode(written);
    let meant = without_mangling(&decoded);
    NAMES.iter().any(|name| meant.eq_ignore_ascii_case(name.as_bytes()))
}

/// Whether `written` means `name`: percent-decoded, without leading `amp;` and `?`, in any case.
pub fn is_named(written: &[u8], name: &str) -> bool {
    without_mangling(&decode(written)).eq_ignore_ascii_case(name.as_bytes())
}

/// Percent-decodes once.
pub(super) fn decode(written: &[u8]) -> Cow<'_, [u8]> {
    percent_decode(written).into()
}

/// Drops what mail programs leave of an `&amp;` that they escaped again, and a `?` written twice.
fn without_mangling(mut name: &[u8]) -> &[u8] {
    loop {
        name = match name {
            [b'?', rest @ ..] => rest,
            [a, m, p, b';', rest @ ..] if [*a, *m, *p].eq_ignore_ascii_case(b"amp") => rest,
            plain => return plain,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_found_in_any_case_and_mangling() {
        for name in [
            "reaid",
            "REAID",
            "amp;reaid",
            "amp;AMP;ReaId",
            "r%65aid",
            "amp%3Breaid",
            "?reaid",
            "?amp;?eh",
            "rsaReaid",
            "eh",
            "email",
        ] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["", "reaid2", "xreaid", "emails", "amp", "amp;", "rea id"] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
