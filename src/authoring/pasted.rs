//! A click URL as somebody pasted it from a mail program, back to what a browser would have asked.
//!
//! Nothing is guessed where it matters: a text with line breaks has several readings, and the one whose
//! token opens is taken. What was undone is told, because it is often the finding itself.

use percent_encoding::percent_decode_str;
use url::{Position, Url};

use super::{Undone, gateways};
use crate::identity::is_base64url;
use crate::links::{CLICK_PATH, ClickUrl, PIXEL_PATH};
use crate::rewrite::entities;

/// The longest text that is looked into, in bytes: a click URL has at most 6 KiB, and three gateways that
/// each encode what the one before encoded make ten times that of it.
const MAX_PASTED: usize = 64 << 10;

/// Wrappers within wrappers are undone this often: more than any chain of gateways adds.
const LAYERS: usize = 8;

/// A token on its own has at least this many characters: one of ours that is shorter holds nothing.
const MIN_TOKEN: usize = 24;

/// What the first byte of every token, the version, makes of its first character.
const TOKEN_START: char = 'A';

/// No sentence ends with more punctuation than this; what does is not worth the time.
const MAX_TRAILING: usize = 64;

/// Characters that no eye sees: soft hyphen, zero width, marks of direction, byte order mark.
const HIDDEN: [std::ops::RangeInclusive<char>; 6] = [
    '\u{ad}'..='\u{ad}',
    '\u{61c}'..='\u{61c}',
    '\u{200b}'..='\u{200f}',
    '\u{202a}'..='\u{202e}',
    '\u{2060}'..='\u{2069}',
    '\u{feff}'..='\u{feff}',
];

/// Why a text is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastedError {
    /// No click URL, nor anything that may hold one.
    #[error("expected a click URL (…/c/…), a pixel URL (…/o/….gif) or a token")]
    Nothing,
    /// Beyond `MAX_PASTED`.
    #[error("expected at most {MAX_PASTED} bytes, found {0}")]
    TooLong(usize),
    /// Wrapped by a gateway that keeps the URL to itself.
    #[error(
        "Mimecast keeps the URL on its own servers and puts nothing of it into the link: open it in a browser, and \
         paste where it leads"
    )]
    Mimecast,
}

impl PastedError {
    /// A stable word for programs.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Nothing => "no_click_url",
            Self::TooLong(_) => "too_long",
            Self::Mimecast => "mimecast",
        }
    }
}

/// What a browser would have asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pasted {
    /// The host and port, in lower case; None when only a path or a token was pasted.
    pub(super) host: Option<String>,
    /// Whether the path is that of a pixel; None when only a token was pasted.
    pub(super) is_pixel: Option<bool>,
    /// What stands where the token is.
    pub(super) token: String,
    /// The query.
    pub(super) query: String,
    /// Bytes of path and query.
    pub(super) target_len: usize,
    /// What was undone, in this order.
    pub(super) undone: Vec<Undone>,
}

/// Finds the click URL in a text. Of several readings the one with the highest `score` is taken, of
/// equals the first.
///
/// # Errors
/// There is none.
pub(super) fn read(text: &str, score: impl Fn(&Pasted) -> u8) -> Result<Pasted, PastedError> {
    if text.len() > MAX_PASTED {
        return Err(PastedError::TooLong(text.len()));
    }
    let mut undone = Vec::new();
    let text = note(&mut undone, Undone::HiddenCharacters, text, without_hidden);
    let text = note(&mut undone, Undone::QuotedPrintable, &text, without_quoted_printable);
    let mut best: Result<(u8, Pasted), PastedError> = Err(PastedError::Nothing);
    for (reading, joined) in readings(text.trim()) {
        let mut undone = undone.clone();
        undone.extend(joined);
        match (unwrap_layers(reading, undone), &best) {
            (Ok(found), best_yet) => {
                let score = score(&found);
                if best_yet.as_ref().is_ok_and(|(best, _)| *best >= score) {
                    continue;
                }
                best = Ok((score, found));
            }
            (Err(PastedError::Nothing), _) | (Err(_), Ok(_)) => {}
            (Err(error), Err(_)) => best = Err(error),
        }
    }
    best.map(|(_, found)| found)
}

/// Applies one step, and notes it when it changed something.
fn note(undone: &mut Vec<Undone>, what: Undone, text: &str, step: impl Fn(&str) -> String) -> String {
    let after = step(text);
    if after != text {
        tell(undone, what);
    }
    after
}

fn tell(undone: &mut Vec<Undone>, what: Undone) {
    if !undone.contains(&what) {
        undone.push(what);
    }
}

fn without_hidden(text: &str) -> String {
    text.chars().filter(|c| !HIDDEN.iter().any(|range| range.contains(c))).collect()
}

/// Decodes when the text must be quoted-printable: a line ends in `=`, or every `=` begins an escape and
/// one of them is `=3D`.
fn without_quoted_printable(text: &str) -> String {
    let soft_break = text.contains("=\r\n") || text.contains("=\n");
    let is_escape =
        |rest: &str| rest.len() >= 2 && rest.as_bytes()[..2].iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F'));
    let all_escapes = text.contains("=3D") && text.split('=').skip(1).all(is_escape);
    if !soft_break && !all_escapes {
        return text.to_owned();
    }
    let text = text.replace("=\r\n", "").replace("=\n", "");
    // The two escapings differ in their mark alone.
    let as_percent: String = text.replace('%', "%25");
    let mut pieces = as_percent.split('=');
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push(if is_escape(piece) { '%' } else { '=' });
        out.push_str(piece);
    }
    percent_decode_str(&out).decode_utf8_lossy().into_owned()
}

/// The text with its white space taken out, with its line breaks taken out and cut at the first space,
/// and cut at either; each with what that undid.
fn readings(text: &str) -> Vec<(String, Vec<Undone>)> {
    if !text.contains(char::is_whitespace) {
        return vec![(text.to_owned(), vec![])];
    }
    let lines = text.lines().map(|line| line.trim_start_matches([' ', '\t', '>']).trim_end());
    let joined: String = lines.collect();
    let all: String = joined.split_whitespace().collect();
    let mut readings = vec![(all, vec![Undone::WhiteSpace])];
    for (line, joined) in [(joined.as_str(), joined != text), (text, false)] {
        let shorter = cut(line);
        let mut undone = Vec::new();
        undone.extend(joined.then_some(Undone::WhiteSpace));
        undone.extend((shorter != line).then_some(Undone::Surroundings));
        readings.push((shorter.to_owned(), undone));
    }
    readings
}

/// From where a URL begins to the first white space.
fn cut(text: &str) -> &str {
    let start = start_of_url(text).or_else(|| click_path(text).map(|at| before_path(text, at))).unwrap_or(0);
    text[start..].split(char::is_whitespace).next().unwrap_or_default()
}

/// Takes wrapper after wrapper off.
fn unwrap_layers(mut text: String, mut undone: Vec<Undone>) -> Result<Pasted, PastedError> {
    for _ in 0..LAYERS {
        for _ in 0..LAYERS {
            let decoded = note(&mut undone, Undone::HtmlEntities, &text, |text| entities::decode(text).into_owned());
            if decoded == text {
                break;
            }
            text = decoded;
        }
        if is_token(&text) {
            return Ok(token_alone(&text, undone));
        }
        if let Some(at) = encoded_start(&text) {
            tell(&mut undone, Undone::PercentEncoding);
            text = percent_decode_str(&text[at..]).decode_utf8_lossy().into_owned();
            continue;
        }
        let url = note(&mut undone, Undone::Surroundings, &text, within_surroundings);
        let url = if start_of_url(&url).is_some() { url } else { with_scheme(&url, &mut undone)? };
        if ClickUrl::split(&url).is_some() {
            return finish(url, undone);
        }
        text = match gateways::unwrap(&url)? {
            Some((inner, gateway)) => {
                tell(&mut undone, gateway);
                inner
            }
            None => behind_first_url(&text).ok_or(PastedError::Nothing)?,
        };
    }
    Err(PastedError::Nothing)
}

/// Whether a text may be a token: after the version come the high bits of a key id, which is at most 200.
fn is_token(text: &str) -> bool {
    let begins = text.starts_with(TOKEN_START) && matches!(text.as_bytes().get(1), Some(b'Q'..=b'Z' | b'a'..=b'c'));
    begins && text.len() >= MIN_TOKEN && text.bytes().all(is_base64url)
}

fn token_alone(text: &str, undone: Vec<Undone>) -> Pasted {
    let (token, query) = (text.to_owned(), String::new());
    Pasted { host: None, is_pixel: None, token, query, target_len: text.len() + CLICK_PATH.len(), undone }
}

/// Where `http://` or `https://` stands, in any case.
fn start_of_url(text: &str) -> Option<usize> {
    first_of(text, &["http://", "https://"])
}

/// What stands behind a URL that is none of ours, when there is another one.
fn behind_first_url(text: &str) -> Option<String> {
    let behind = text.get(start_of_url(text)? + "http".len()..)?;
    start_of_url(behind).map(|_| behind.to_owned())
}

/// Where an encoded `http://` or `https://` stands, with no plain one before it.
fn encoded_start(text: &str) -> Option<usize> {
    let at = first_of(text, &["http%3a%2f%2f", "https%3a%2f%2f", "http%25", "https%25"])?;
    start_of_url(text).is_none_or(|plain| plain > at).then_some(at)
}

fn first_of(text: &str, needles: &[&str]) -> Option<usize> {
    // Lowering ASCII alone keeps every position.
    let lower = text.to_ascii_lowercase();
    needles.iter().filter_map(|needle| lower.find(needle)).min()
}

/// A URL out of what stands around it: from its scheme to the first character that no URL holds.
fn within_surroundings(text: &str) -> String {
    let start = start_of_url(text).or_else(|| click_path(text).map(|at| before_path(text, at))).unwrap_or(0);
    let quoted = text[..start].ends_with('\'');
    let ends =
        |c: char| matches!(c, '<' | '>' | '"' | '`' | '“' | '”' | '«' | '»' | '‘' | '’') || (quoted && c == '\'');
    text[start..].split(ends).next().unwrap_or_default().to_owned()
}

/// Where a path like ours stands in a text without a scheme.
fn click_path(text: &str) -> Option<usize> {
    [CLICK_PATH, PIXEL_PATH].into_iter().filter_map(|path| text.find(&format!("{path}{TOKEN_START}"))).min()
}

/// Where the host before a path begins.
fn before_path(text: &str, path: usize) -> usize {
    let of_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':');
    path - text[..path].chars().rev().take_while(|c| of_host(*c)).count()
}

/// A host of nobody, where only a path was pasted; `.invalid` is nobody's for ever.
const NO_HOST: &str = "path-alone.invalid";

fn with_scheme(text: &str, undone: &mut Vec<Undone>) -> Result<String, PastedError> {
    match click_path(text) {
        Some(0) => Ok(format!("https://{NO_HOST}{text}")),
        Some(_) => {
            undone.push(Undone::MissingScheme);
            Ok(format!("https://{text}"))
        }
        None => Err(PastedError::Nothing),
    }
}

/// A click URL on its own, as a browser would ask it.
fn finish(mut url: String, mut undone: Vec<Undone>) -> Result<Pasted, PastedError> {
    if !url.contains('?')
        && let Some(query) = first_of(&url, &["%3f"])
    {
        tell(&mut undone, Undone::PercentEncoding);
        url = format!("{}{}", &url[..query], percent_decode_str(&url[query..]).decode_utf8_lossy());
    }
    url = note(&mut undone, Undone::TrailingCharacters, &url, |url| without_trailing(url).to_owned());
    let authority = url.split('/').nth(2).unwrap_or_default();
    if url.starts_with(|c: char| c.is_ascii_uppercase()) || authority.contains(|c: char| c.is_ascii_uppercase()) {
        undone.push(Undone::LetterCase);
    }
    let host = authority.to_ascii_lowercase();
    let asked = Url::parse(&url).map_or(url, |url| url[..Position::AfterQuery].to_owned());
    let parts = ClickUrl::split(&asked).ok_or(PastedError::Nothing)?;
    let target = &asked[parts.base.len()..];
    Ok(Pasted {
        host: (host != NO_HOST).then_some(host),
        is_pixel: Some(target.starts_with(PIXEL_PATH)),
        token: parts.token.to_owned(),
        query: parts.query.to_owned(),
        target_len: target.len(),
        undone,
    })
}

/// Takes off what a sentence or a mail program put behind a URL. A bracket that the URL opened itself
/// stays, and so does the `=` of a parameter without a value.
fn without_trailing(mut url: &str) -> &str {
    for _ in 0..MAX_TRAILING {
        match url.chars().next_back().filter(|last| is_foreign(url, *last)) {
            Some(last) => url = &url[..url.len() - last.len_utf8()],
            None => break,
        }
    }
    url
}

/// Whether the last character of a URL is not its own.
fn is_foreign(url: &str, last: char) -> bool {
    let closes = |open: char| url.matches(last).count() > url.matches(open).count();
    match last {
        ')' => closes('('),
        ']' => closes('['),
        '\'' => !url.matches(last).count().is_multiple_of(2),
        '.' | ',' | ';' | ':' | '!' | '?' | '…' => true,
        '=' => match url[..url.len() - 1].rsplit_once(['?', '&']) {
            Some((_, parameter)) => parameter.contains('='),
            None => true,
        },
        _ => false,
    }
}

#[cfg(test)]
mod tests;
