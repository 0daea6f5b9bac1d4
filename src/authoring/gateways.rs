//! Mail gateways that put links behind their own, and how the link comes out again. Their forms are
//! public: each of them publishes a decoder or carries the URL in a parameter.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use percent_encoding::percent_decode;

use super::{PastedError, Undone};
use crate::links::{CLICK_PATH, PIXEL_PATH, parameters, split_query};

/// Proofpoint pads or does not, as it likes.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How long a run of replaced characters is: `**A` are two.
const RUN_LENGTHS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The URL that a gateway's link carries; None when this is no such link.
///
/// # Errors
/// It is one that carries nothing.
pub(super) fn unwrap(url: &str) -> Result<Option<(String, Undone)>, PastedError> {
    let host = url.split('/').nth(2).unwrap_or_default().to_ascii_lowercase();
    let is_under = |parent: &str| host.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if is_under("mimecast.com") || is_under("mimecastprotect.com") {
        return Err(PastedError::Mimecast);
    }
    let unwrapped = if is_under("safelinks.protection.outlook.com") {
        (parameter(url, "url"), Undone::OutlookSafelinks)
    } else if is_under("urldefense.com") || is_under("urldefense.us") || is_under("urldefense.proofpoint.com") {
        (urldefense(url), Undone::ProofpointUrldefense)
    } else if is_under("linkprotect.cudasvc.com") {
        (parameter(url, "a"), Undone::BarracudaLinkprotect)
    } else if host.split('.').any(|label| label == "google") {
        (parameter(url, "q").or_else(|| parameter(url, "url")), Undone::GoogleRedirect)
    } else {
        (any_parameter(url), Undone::OtherRedirect)
    };
    Ok(unwrapped.0.map(|inner| (inner, unwrapped.1)))
}

fn query(url: &str) -> &[u8] {
    split_query(url.as_bytes()).1.unwrap_or_default()
}

fn decoded(value: &[u8]) -> String {
    percent_decode(value).decode_utf8_lossy().into_owned()
}

fn parameter(url: &str, name: &str) -> Option<String> {
    parameters(query(url)).find(|parameter| parameter.name == name.as_bytes()).map(|found| decoded(found.value))
}

/// The first parameter that may hold a click URL.
fn any_parameter(url: &str) -> Option<String> {
    let values = parameters(query(url)).map(|parameter| decoded(parameter.value));
    let mut values = values.filter(|value| value.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("http")));
    values.find(|value| [CLICK_PATH, PIXEL_PATH, "%2Fc%2F", "%2Fo%2F"].iter().any(|path| value.contains(path)))
}

fn urldefense(url: &str) -> Option<String> {
    if let Some((_, rest)) = url.split_once("/v3/__") {
        return version_3(rest);
    }
    let written = parameters(query(url)).find(|parameter| parameter.name == b"u")?.value;
    if url.contains("/v2/") {
        let percent: Vec<u8> = written.iter().map(|byte| if *byte == b'-' { b'%' } else { *byte }).collect();
        let slashes: Vec<u8> = percent.iter().map(|byte| if *byte == b'_' { b'/' } else { *byte }).collect();
        return Some(decoded(&slashes));
    }
    Some(decoded(written))
}

/// `URL__;REPLACED!…`: each `*` of the URL stands for the next replaced character, `**X` for a run of
/// them; REPLACED is base64.
fn version_3(rest: &str) -> Option<String> {
    let (url, rest) = rest.split_once("__;")?;
    let replaced = BASE64.decode(rest.split('!').next()?).ok()?;
    let replaced = String::from_utf8(replaced).ok()?;
    let mut replaced = replaced.chars();
    let mut out = String::with_capacity(url.len());
    let mut written = url.chars();
    while let Some(character) = written.next() {
        if character != '*' {
            out.push(character);
        } else if let Some(after) = written.as_str().strip_prefix('*') {
            let run = after.bytes().next()?;
            let length = RUN_LENGTHS.iter().position(|byte| *byte == run)? + 2;
            out.extend(replaced.by_ref().take(length));
            written = after[1..].chars();
        } else {
            out.push(replaced.next()?);
        }
    }
    // It writes `https:/host` where two slashes would be taken for one.
    match out.split_once(":/") {
        Some((scheme, rest)) if !rest.starts_with('/') => Some(format!("{scheme}://{rest}")),
        _ => Some(out),
    }
}
