//! `tests/tricks.txt`, the world that its hosts live in, and tokens that say what nobody would sign.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use url::Url;

use crate::support::house::vectors_key;
use crate::support::{JANE, Settings};

/// Our own host in the table.
pub(crate) const CLICK_HOST: &str = "click.shop.example";

/// Where whatever does not open leads.
pub(crate) const FALLBACK: &str = "http://shop.example/lost";

/// One line of the table.
#[derive(Clone, Debug)]
pub(crate) struct Trick {
    /// What kind of trick.
    pub(crate) kind: &'static str,
    /// What somebody wants to be a destination.
    pub(crate) input: Vec<u8>,
    /// What to say when it works: its line and its reason.
    pub(crate) name: String,
}

impl Trick {
    /// Whether it is the shop after all.
    pub(crate) fn is_control(&self) -> bool {
        self.kind == "control"
    }

    /// Whether people may still land there.
    pub(crate) fn is_former_host(&self) -> bool {
        self.kind == "former_host"
    }

    /// As text, where it is.
    pub(crate) fn text(&self) -> Option<&str> {
        str::from_utf8(&self.input).ok()
    }

    /// Every byte percent-encoded that is no letter or digit.
    pub(crate) fn encoded(&self) -> String {
        percent_encoding::percent_encode(&self.input, percent_encoding::NON_ALPHANUMERIC).to_string()
    }
}

/// The table, in order.
pub(crate) fn tricks() -> Vec<Trick> {
    let lines = include_str!("../tricks.txt").lines().enumerate();
    let rows = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    rows.map(|(index, line)| {
        let cells: Vec<&'static str> = line.split('\t').collect();
        let &[kind, input, why] = cells.as_slice() else {
            panic!("tricks.txt, line {}: expected kind, input and why, found {line:?}", index + 1)
        };
        let name = format!("tricks.txt, line {}, {kind} {input:?} ({why})", index + 1);
        Trick { kind, input: unescape(input), name }
    })
    .collect()
}

/// `\t \r \n \0 \\ \xNN \u{N}` and `{a*9}`.
fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        rest = &rest[first.len_utf8()..];
        match first {
            '\\' => rest = escape(rest, &mut out),
            '{' => {
                let (repeated, after) = rest.split_once('}').unwrap();
                let (repeated, times) = repeated.rsplit_once('*').unwrap();
                out.extend(repeated.repeat(times.parse().unwrap()).bytes());
                rest = after;
            }
            other => out.extend(other.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    out
}

/// Reads what follows a backslash; gives back what follows that.
fn escape<'t>(rest: &'t str, out: &mut Vec<u8>) -> &'t str {
    let (letter, after) = rest.split_at(1);
    match letter {
        "t" => out.push(b'\t'),
        "r" => out.push(b'\r'),
        "n" => out.push(b'\n'),
        "0" => out.push(0),
        "\\" => out.push(b'\\'),
        "x" => {
            let (hex, after) = after.split_at(2);
            out.push(u8::from_str_radix(hex, 16).unwrap());
            return after;
        }
        "u" => {
            let (hex, after) = after.strip_prefix('{').and_then(|it| it.split_once('}')).unwrap();
            let character = u32::from_str_radix(hex, 16).ok().and_then(char::from_u32).unwrap();
            out.extend(character.to_string().bytes());
            return after;
        }
        other => panic!("no escape: \\{other}"),
    }
    after
}

/// The shop of the table.
pub(crate) fn settings() -> Settings {
    let hosts = ["shop.example", "*.shop.example", "bücher.example", "sister.example:8443"];
    Settings {
        base_url: format!("http://{CLICK_HOST}"),
        // Nobody looks for the events, so no click waits for its own.
        edge: format!("fallback_url = {FALLBACK:?}\ncommit_wait = \"1ms\""),
        links: "former_hosts = [\"old.example\"]".to_owned(),
        hosts: hosts.map(str::to_owned).into(),
        ..Settings::default()
    }
}

/// Whether a browser that goes to `url` is at a host of the shop, and not at our own.
pub(crate) fn is_shop(url: &Url) -> bool {
    let on_list = match (url.host_str().unwrap_or_default(), url.port()) {
        ("shop.example" | "xn--bcher-kva.example", None) | ("sister.example", Some(8443)) => true,
        (host, None) => host != CLICK_HOST && host.strip_suffix(".shop.example").is_some_and(|it| !it.is_empty()),
        _ => false,
    };
    on_list && matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
}

/// Tokens with a good signature to `destination`, whatever it is: with its scheme, and without it where
/// it is the one that a token leaves out.
pub(crate) fn forge(destination: &[u8]) -> Vec<String> {
    let short = destination.strip_prefix(b"https://").map(|rest| token(2, rest));
    [Some(token(0, destination)), short].into_iter().flatten().collect()
}

/// A campaign link's token by the published format: key 1, number 1, account 1234, campaign demo.
pub(crate) fn token(flags: u8, destination: &[u8]) -> String {
    let mut raw = [&[1, 1, flags, 0, 1, 4], b"1234".as_slice(), &[4], b"demo", destination].concat();
    let mac = hmac::sign(&vectors_key(1).secret.derive_hmac("link v1 mac", ""), &raw);
    raw.extend_from_slice(&mac.as_ref()[..16]);
    URL_SAFE_NO_PAD.encode(raw)
}

/// The paths and queries of clicks that carry the trick, written as `text`, beside a token that is good.
pub(crate) fn beside(token: &str, text: &str) -> Vec<String> {
    vec![
        format!("/c/{token}?x={text}&reaid={JANE}"),
        format!("/c/{token}?reaid={text}"),
        format!("/c/{token}?{text}"),
        format!("/c/{token}/{text}?reaid={JANE}"),
        format!(
            "/c/{token}{}{text}",
            if text.starts_with(|c: char| c.is_alphanumeric() || "-_".contains(c)) { "." } else { "" }
        ),
    ]
}
