//! Destinations with awkward bytes, and what an e-mail platform makes of merge fields.

use reaid::links::{parameters, reserved};

/// Where they lead, as written: all of it is the shop of `tests/tricks.txt`.
const STARTS: [&str; 11] = [
    "http://shop.example",
    "HTTP://SHOP.EXAMPLE",
    "http://www.shop.example",
    "http://bücher.example",
    "http://BÜCHER.example",
    "http://xn--bcher-kva.example",
    "http://sister.example:8443",
    "http://shop.example:80",
    "http://shop.example:",
    " \u{1}http://shop.example",
    "ht\ntp:\t//shop.exa\r\nmple",
];

const PATHS: [&str; 30] = [
    "",
    "/",
    "/a/b",
    "/a b",
    "/  ",
    "/café",
    "/caf%C3%A9",
    "/caf%e9",
    "/100%",
    "/%zz/%",
    "/a+b~c",
    "/a/../b/./c",
    "/%2e%2e/x/%2E/",
    "/../..",
    "//d//",
    "/;v=1,2",
    "/\"q\"<i>",
    "/`^{}|",
    "/a'b",
    "/日本語",
    "/a\tb\nc",
    "/[1]",
    "/a%20b%2Fc",
    "/@x:y",
    "/*!$()",
    "/e\u{301}\u{fb01}",
    "/\u{1f600}",
    "/a%00b",
    "/a%0D%0Ab",
    "/a\u{a0}\u{2028}b",
];

const QUERIES: [&str; 42] = [
    "",
    "?",
    "?a=1",
    "?a=",
    "?a",
    "?a=1&b=2",
    "?a=1&a=2&a=1",
    "?&&",
    "?a=1&&b=2&",
    "?&a=1",
    "?=x",
    "?a=b=c",
    "?a=1+2%203 4",
    "?q=~!*()'",
    "?q=\"x\"",
    "?q=<b>",
    "?q=%zz%",
    "?q=ü&r=%C3%BC&s=%FC",
    "?a[]=1&a[0]=2",
    "?q={}|^`",
    "?q=a/b?c:d@e",
    "?amp;a=1&copy=2&lt=3&not=4&para=5",
    "?a=1;b=2",
    "?q=日本\u{1f600}",
    "??x",
    "?a=?&b=??",
    "?a=%26%3D%23",
    "?utm_source=x&UTM_SOURCE=y",
    "?sku=${sku}",
    "?a=1&sku=${sku}&b=2",
    "?sku=A-${sku}-B&sku=x&c=3&s%6bu=y",
    "?p=${space}&q=1",
    "?p=${percent}&q",
    "?p=${two}&q=2&&r",
    "?p=${umlaut}",
    "?id={{ contact.id }}&x=1",
    "?id=*|ID|*&x",
    "?x&id=%%id%%",
    "?id=[[id]]&y=ü",
    "?id=<%= id %>&y=a b",
    "?${rest}",
    "?a=1&${rest}&b='\"",
];

const FRAGMENTS: [&str; 13] = [
    "",
    "#",
    "#top",
    "#/a?b=c",
    "#!",
    "#!/x?y=1&z",
    "#a b",
    "#ü",
    "#%zz%FC",
    "#a#b",
    "#?reaid=x",
    "#\"<>`",
    "#a\tb\\c",
];

/// What one recipient's merge fields become. A platform writes them into the page as they are.
pub(crate) const VALUES: [(&str, &str); 12] = [
    ("${sku}", "A-1"),
    ("${space}", "a  b"),
    ("${percent}", "50%"),
    ("${two}", "a&amp;b=c&d"),
    ("${umlaut}", "Zoë+\u{1f600}"),
    ("${rest}", "u=1&v=%2F/?"),
    ("{{ contact.id }}", "7"),
    ("*|ID|*", "8"),
    ("%%id%%", ""),
    ("[[id]]", "<10>"),
    ("<%= id %>", "a%0D%0Ab"),
    ("${never}", ""),
];

/// Cases that no product makes.
const BY_HAND: [&str; 14] = [
    "http://shop.example/p?reaid=old&a=1",
    "http://shop.example/p?a=1&EMAIL=x&&b=2#f",
    "http://shop.example/p?amp;reaid=x",
    "http://shop.example/p?reaid=${sku}&a=${sku}",
    "http://shop.example/p?a=reaid&reaid_=1&xreaid=2",
    "http://shop.example/https://other.example/?u=http://third.example/#http://fourth.example/",
    "http://shop.example/p?u=http%3A%2F%2Fother.example%2F%3Fa%3Db%26c%3Dd",
    "http://shop.example/p?json={\"a\":[1,2,{\"b\":\"c d\"}]}",
    "http://shop.example/p?a=\u{0}b",
    "http://shop.example/p?$filter=price gt 5 and name eq 'x'&$top=10",
    "http://shop.example/p?a=1&amp;b=2&#38;c=3",
    "http://shop.example/p?a=&#233;&eacute;",
    "http://shop.example?a=1?b=2#c#d",
    "http://shop.example#only",
];

/// Relative to `http://shop.example/mail/2026/`, which their page says.
pub(crate) const RELATIVE: [&str; 14] = [
    "p",
    "./a/../b?c=é",
    "../x y?z",
    "../../../..",
    "/abs?q='\"",
    "//www.shop.example/x",
    "//shop.example:80?a#b",
    "?q=1&r",
    "p?sku=${sku}&a=1#f",
    "p;v=1?a+b",
    "%2e%2e/p",
    "./a:b/c",
    "p#a b",
    "日本?ü#é",
];

/// How an author writes a target into a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    Double,
    /// Ampersands that are no references stay as they are.
    Careless,
    Single,
    Bare,
    Named,
    Hex,
}

const SPELLINGS: [Spelling; 6] =
    [Spelling::Double, Spelling::Careless, Spelling::Single, Spelling::Bare, Spelling::Named, Spelling::Hex];

/// Every second of the product of paths and queries, with starts and fragments in turn, and those by hand.
pub(crate) fn destinations() -> Vec<String> {
    let mut all = Vec::new();
    for (at, query) in QUERIES.iter().enumerate() {
        for path in PATHS.iter().skip(at % 2).step_by(2) {
            let (start, fragment) = (STARTS[all.len() % STARTS.len()], FRAGMENTS[all.len() % FRAGMENTS.len()]);
            all.push(format!("{start}{path}{query}{fragment}"));
        }
    }
    all.extend(BY_HAND.map(str::to_owned));
    all
}

/// A page of links to these, each in its own spelling.
pub(crate) fn page(head: &str, destinations: &[impl AsRef<str>]) -> String {
    let mut page = format!("<!doctype html><meta charset=utf-8><title>Links</title>{head}\n<body>\n");
    for (number, destination) in destinations.iter().enumerate() {
        let value = spell(destination.as_ref(), SPELLINGS[number % SPELLINGS.len()]);
        page += &format!("<p><a class=x href={value} data-n={number}>{number}</a>\n");
    }
    page
}

/// The page as one recipient gets it.
pub(crate) fn personalised(page: &str, reaid: &str) -> String {
    let page = page.replace("${reaid}", reaid);
    VALUES.iter().fold(page, |page, (field, value)| page.replace(field, value))
}

fn spell(text: &str, spelling: Spelling) -> String {
    // A value without quotes ends at white space, which merge fields may hold or become.
    let spelling = match spelling {
        Spelling::Bare if fields(text) > 0 => Spelling::Double,
        given => given,
    };
    let mut rest = text;
    let mut out = String::new();
    while let Some(character) = rest.chars().next() {
        if let Some((field, _)) = VALUES.iter().find(|(field, _)| rest.starts_with(field)) {
            out += field;
            rest = &rest[field.len()..];
            continue;
        }
        out += &spell_character(character, spelling);
        rest = &rest[character.len_utf8()..];
    }
    match spelling {
        Spelling::Bare => out,
        Spelling::Single => format!("'{out}'"),
        _ => format!("\"{out}\""),
    }
}

fn spell_character(character: char, spelling: Spelling) -> String {
    let numbered = |it: char| format!("&#{};", u32::from(it));
    match (spelling, character) {
        (Spelling::Careless, '&') => "&".to_owned(),
        (Spelling::Double | Spelling::Careless, '"') => "&quot;".to_owned(),
        (Spelling::Single, '\'' | '&') => numbered(character),
        (Spelling::Bare, it) if it.is_ascii() && !it.is_ascii_alphanumeric() && !"/:?.-_%".contains(it) => numbered(it),
        (Spelling::Named, '/') => "&sol;".to_owned(),
        (Spelling::Named, ':') => "&colon;".to_owned(),
        (Spelling::Named, '?') => "&quest;".to_owned(),
        (Spelling::Named, '=') => "&equals;".to_owned(),
        (Spelling::Named, '#') => "&num;".to_owned(),
        (Spelling::Named, '%') => "&percnt;".to_owned(),
        (Spelling::Named, '"') => "&quot;".to_owned(),
        (Spelling::Named, 'é') => "&eacute;".to_owned(),
        (Spelling::Named, 'ü') => "&uuml;".to_owned(),
        (Spelling::Hex, it) => format!("&#x{:x};", u32::from(it)),
        (_, '&') => "&amp;".to_owned(),
        (_, other) => other.to_string(),
    }
}

fn fields(text: &str) -> usize {
    VALUES.iter().filter(|(field, _)| text.contains(field)).count()
}

/// Whether a browser will not follow it: a line break or tab beside a `<` looks like markup that was left
/// open in order to steal the rest of a page. Our click URL has neither, so that the click lands.
pub(crate) fn is_refused_by_browsers(target: &str) -> bool {
    target.contains(['\t', '\n', '\r']) && target.contains('<')
}

/// What the shop must be asked for when `asked` is what the link without us asks for: the signed
/// parameters, then those that merge fields moved, then the REAID.
pub(crate) fn expected(destination: &str, asked: &str, reaid: &str) -> String {
    let (path, query) = asked.split_once('?').map_or((asked, None), |(path, query)| (path, Some(query)));
    let moved = moved(destination);
    let pieces: Vec<&str> = query.map_or(Vec::new(), |query| query.split('&').collect());
    let is_reserved = |piece: &str| parameters(piece.as_bytes()).any(|it| reserved::is_reserved(it.name));
    let absorbs = pieces.iter().any(|piece| is_reserved(piece));
    let (mut kept, mut passed) = (Vec::new(), Vec::new());
    for (at, piece) in pieces.iter().enumerate() {
        match moved.get(at) {
            _ if is_reserved(piece) => {}
            Some(true) => passed.push(*piece),
            // What holds a reserved name is joined anew, without what stands for nothing.
            _ if absorbs && piece.is_empty() => {}
            _ => kept.push(*piece),
        }
    }
    let bare = kept.is_empty() && (absorbs || moved.contains(&true));
    let mut out = if query.is_none() || bare { path.to_owned() } else { format!("{path}?{}", kept.join("&")) };
    let reaid = format!("reaid={reaid}");
    for piece in passed.into_iter().filter(|piece| !piece.is_empty()).chain([reaid.as_str()]) {
        let join = match out[path.len()..].chars().last() {
            None => "?",
            Some('?') if out.len() == path.len() + 1 => "",
            Some('&') => "",
            Some(_) => "&",
        };
        out = out + join + piece;
    }
    out
}

/// For each parameter that the browser sends, whether it comes from one that a merge field moved.
fn moved(destination: &str) -> Vec<bool> {
    let before_fragment = destination.split('#').next().unwrap();
    let Some((_, query)) = before_fragment.split_once('?') else { return Vec::new() };
    let parameters: Vec<&str> = query.split('&').collect();
    let name = |parameter: &str| parameter.split('=').next().unwrap().replace("%6b", "k");
    let open: Vec<String> = parameters.iter().filter(|it| fields(it) > 0).map(|it| name(it)).collect();
    let mut moved = Vec::new();
    for parameter in parameters {
        let becomes = VALUES.iter().fold(parameter.to_owned(), |text, (field, value)| text.replace(field, value));
        let pieces = becomes.replace("&amp;", "&").split('&').count();
        moved.extend(std::iter::repeat_n(open.contains(&name(parameter)), pieces));
    }
    moved
}
