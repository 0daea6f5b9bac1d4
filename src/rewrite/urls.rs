//! Finds the URLs in plain text as mail programs do, merge fields included. Changes nothing.
//!
//! `linkify` knows where a URL ends: punctuation and unbalanced brackets stay outside. It is shown a
//! mask of the text, of the same length, in which what it does not know is something that it does:
//! merge fields are letters, the spaces and quotation marks of other scripts are spaces.

use std::ops::Range;

use icu_properties::{CodePointMapData, props::GeneralCategory};
use linkify::{LinkFinder, LinkKind};

use super::merge_field;

/// The longest URL between `<` and `>`, in bytes: what may be a target at all, twice, for the line
/// breaks in it.
const MAX_ENCLOSED: usize = 16 << 10;

/// How far it is looked for what a URL would go on with, in bytes: one character is enough, and before
/// it there may be brackets and punctuation.
const MAX_GLUE: usize = 64;

/// A URL in text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Its bytes in the text. Between `<` and `>` they may hold line breaks, which are no part of it
    /// (RFC 3986, appendix C).
    pub range: Range<usize>,
    /// Whether it begins with `scheme://`; if not, it is a bare `www.…`.
    pub has_scheme: bool,
    /// Whether what follows is no part of it only because it has no path: behind a longer URL in its
    /// place it would be one.
    pub is_glued: bool,
}

/// All URLs of a text, in order.
pub fn find(text: &str) -> Vec<Url> {
    let fields = merge_field::find(text);
    let mask = mask(text, &fields);
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]);
    let mut found: Vec<Url> = Vec::new();
    let mut end = 0;
    for link in finder.links(&mask) {
        let Some(start) = start(text, &fields, link.start()).filter(|start| *start >= end) else { continue };
        found.extend(without_scheme(&mask, end..start));
        let enclosed = enclosed_end(text, &mask, start);
        end = enclosed.unwrap_or(link.end());
        let is_glued = enclosed.is_none() && !has_path(&mask[start..end]) && is_glued(&finder, &text[end..]);
        found.push(Url { range: start..end, has_scheme: true, is_glued });
    }
    found.extend(without_scheme(&mask, end..text.len()));
    found
}

/// Where the scheme begins: a merge field before it is none of it, nor is what only the mask shows as a
/// letter.
fn start(text: &str, fields: &[Range<usize>], found: usize) -> Option<usize> {
    let colon = found + text.get(found..)?.find("://").unwrap_or_default();
    let before = fields[..fields.partition_point(|field| field.start < colon)].last();
    let start = before.map_or(found, |field| field.end.max(found));
    let is_scheme = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let scheme = text.get(start..colon)?;
    let start = colon - scheme.rsplit(|character| !is_scheme(character)).next().map_or(0, str::len);
    (start < colon).then_some(start)
}

/// Where the `>` stands that ends a URL which begins behind `<` or `<URL:`.
fn enclosed_end(text: &str, mask: &str, start: usize) -> Option<usize> {
    let before = text.get(..start)?;
    let is_enclosed = before.ends_with('<')
        || before.len().checked_sub(5).and_then(|at| before.get(at..)).is_some_and(|b| b.eq_ignore_ascii_case("<url:"));
    let rest = mask.as_bytes().get(start..).filter(|_| is_enclosed)?;
    let mut previous = b' ';
    for (at, &byte) in rest.iter().enumerate().take(MAX_ENCLOSED) {
        match byte {
            b'>' => return (!previous.is_ascii_whitespace()).then_some(start + at),
            // A line break, but no empty line and no line that begins like a sentence.
            b'\n' if previous != b'\n' => {}
            b'\r' if rest.get(at + 1) == Some(&b'\n') => continue,
            0..=b' ' | b'<' | b'"' => return None,
            _ => {}
        }
        previous = byte;
    }
    None
}

fn has_path(url: &str) -> bool {
    url.split_once("://").is_some_and(|(_, rest)| rest.contains(['/', '?']))
}

/// Whether a URL with a path would take in some of what follows.
fn is_glued(finder: &LinkFinder, following: &str) -> bool {
    const WITH_PATH: &str = "http://a.example/";
    let longer = format!("{WITH_PATH}{}", &following[..following.floor_char_boundary(MAX_GLUE)]);
    let longer = mask(&longer, &merge_field::find(&longer));
    finder.links(&longer).next().is_some_and(|link| link.end() > WITH_PATH.len())
}

/// Bare `www.…` in a part of the text.
fn without_scheme(mask: &str, part: Range<usize>) -> Vec<Url> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(false);
    let bare = finder.links(&mask[part.clone()]).filter(|link| {
        link.as_str().get(..4).is_some_and(|begin| begin.eq_ignore_ascii_case("www.")) && !link.as_str().contains("://")
    });
    bare.map(|link| Url {
        range: part.start + link.start()..part.start + link.end(),
        has_scheme: false,
        is_glued: false,
    })
    .collect()
}

/// The text as `linkify` is shown it; every character keeps its length in bytes.
fn mask(text: &str, fields: &[Range<usize>]) -> String {
    let mut mask = Mask { shown: String::with_capacity(text.len()), at: At::Text };
    let mut position = 0;
    for field in fields {
        text[position..field.start].chars().for_each(|character| mask.push(character));
        mask.shown.extend(std::iter::repeat_n('x', field.len()));
        position = field.end;
    }
    text[position..].chars().for_each(|character| mask.push(character));
    mask.shown
}

struct Mask {
    shown: String,
    at: At,
}

/// Where in a URL a character may stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Text,
    Host,
    Path,
}

impl Mask {
    fn push(&mut self, character: char) {
        let shown = self.shown_as(character);
        self.at = match (self.at, shown) {
            (_, '\0'..=' ' | '<' | '>' | '"' | '|' | '`') => At::Text,
            (At::Host, '/' | '?') => At::Path,
            (At::Host, shown) if shown.is_ascii() && !is_in_host(shown) => At::Text,
            (At::Text, '/') if self.shown.ends_with(":/") => At::Host,
            (at, _) => at,
        };
        let length = if shown == character { 1 } else { character.len_utf8() };
        self.shown.extend(std::iter::repeat_n(shown, length));
    }

    fn shown_as(&self, character: char) -> char {
        use GeneralCategory as Is;
        match character {
            // To `linkify` a fragment begins behind a path only, and a host has ASCII letters at its end.
            '#' if self.at == At::Host => '/',
            '_' if self.at == At::Host => 'x',
            ascii if ascii.is_ascii() => ascii,
            other => match CodePointMapData::<GeneralCategory>::new().get(other) {
                Is::SpaceSeparator | Is::LineSeparator | Is::ParagraphSeparator | Is::Control | Is::Format => ' ',
                Is::InitialPunctuation | Is::FinalPunctuation | Is::OpenPunctuation | Is::ClosePunctuation => ' ',
                // Other punctuation may stand in a path, but not at its end.
                Is::DashPunctuation | Is::ConnectorPunctuation | Is::OtherPunctuation if self.at == At::Path => ',',
                Is::DashPunctuation | Is::ConnectorPunctuation | Is::OtherPunctuation => ' ',
                _ if self.at == At::Host => 'x',
                _ => other,
            },
        }
    }
}

fn is_in_host(character: char) -> bool {
    character.is_ascii_alphanumeric() || ".-:@%[]".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn urls(text: &str) -> Vec<&str> {
        find(text).into_iter().filter(|url| url.has_scheme).map(|url| &text[url.range]).collect()
    }

    #[test]
    fn punctuation_around_a_url_stays_outside() {
        for (text, url) in [
            ("See https://x.example/p.", "https://x.example/p"),
            ("(https://x.example/p)", "https://x.example/p"),
            ("(see https://x.example/a_(b)).", "https://x.example/a_(b)"),
            ("https://x.example/p, https", "https://x.example/p"),
            ("\"https://x.example/p\"", "https://x.example/p"),
            ("'https://x.example/p'!", "https://x.example/p"),
            ("»https://x.example/p«", "https://x.example/p"),
            ("„https://x.example/p“…", "https://x.example/p"),
            ("https://x.example/p…", "https://x.example/p"),
            ("https://x.example/p\u{a0}weiter", "https://x.example/p"),
            ("https://x.example/p\u{200b}", "https://x.example/p"),
            ("https://x.example。次", "https://x.example"),
            ("[https://x.example/p]", "https://x.example/p"),
            ("https://x.example/p?a=b==", "https://x.example/p?a=b=="),
            ("https://x.example/p/ ", "https://x.example/p/"),
            ("https://x.example?a=b", "https://x.example?a=b"),
            ("https://x.example#top.", "https://x.example#top"),
            ("https://x.example/grün–tee/", "https://x.example/grün–tee/"),
            ("https://bücher.example/ü", "https://bücher.example/ü"),
            ("请看https://x.example/p。", "https://x.example/p"),
            ("https://пример.рф/", "https://пример.рф/"),
            ("https://my_shop.example/a", "https://my_shop.example/a"),
            ("https://x.example…", "https://x.example"),
            ("HTTP://X.EXAMPLE/P;", "HTTP://X.EXAMPLE/P"),
        ] {
            assert_eq!(urls(text), [url], "{text}");
        }
    }

    #[test]
    fn merge_fields_are_part_of_a_url() {
        for (text, url) in [
            ("https://x.example/p?a=${b}.", "https://x.example/p?a=${b}"),
            ("https://x.example/p?a={{ b | c: \"d\" }}&e={{f}} g", "https://x.example/p?a={{ b | c: \"d\" }}&e={{f}}"),
            ("https://x.example/p?a=<%= b %>)", "https://x.example/p?a=<%= b %>"),
            ("https://x.example/p?a=*|B|*!", "https://x.example/p?a=*|B|*"),
            ("https://x.example/p?a=%%b%%&c=[[d]]]", "https://x.example/p?a=%%b%%&c=[[d]]"),
            ("https://${host}/p", "https://${host}/p"),
            ("${name}https://x.example/p", "https://x.example/p"),
            ("${name} https://x.example/p", "https://x.example/p"),
        ] {
            assert_eq!(urls(text), [url], "{text}");
        }
        assert_eq!(urls("${link} {{ 'https://x.example/' | link }} ${scheme}://x.example/"), [""; 0]);
    }

    #[test]
    fn a_scheme_begins_behind_what_is_none() {
        for glue in ["|_", ")_", ")é", "/a)é"] {
            let text = format!("https://x.example{glue}https://y.example/p");
            assert_eq!(urls(&text).last(), Some(&"https://y.example/p"), "{text}");
        }
    }

    #[test]
    fn between_angle_brackets_everything_is_the_url() {
        for (text, url) in [
            ("<https://x.example/p.>", "https://x.example/p."),
            ("<URL:https://x.example/p>", "https://x.example/p"),
            ("<https://x.example/a\nb>", "https://x.example/a\nb"),
            ("<https://x.example/a\r\n?b=c>.", "https://x.example/a\r\n?b=c"),
            ("<https://x.example/a b>", "https://x.example/a"),
            ("<https://x.example/a\n\nb>", "https://x.example/a"),
            ("<https://x.example/a\n<b>", "https://x.example/a"),
            ("<https://x.example/a", "https://x.example/a"),
        ] {
            assert_eq!(urls(text), [url], "{text}");
        }
    }

    #[test]
    fn what_a_longer_url_would_take_in_is_noticed() {
        for (text, glued) in [
            ("https://x.example%", true),
            ("https://x.example- y", true),
            ("https://x.example, y", false),
            ("(https://x.example).", false),
            ("https://x.example/p,y", false),
            ("<https://x.example>y", false),
            ("'https://x.example/p'y", false),
        ] {
            assert_eq!(find(text)[0].is_glued, glued, "{text}");
        }
    }

    #[test]
    fn a_bare_www_is_seen_and_other_names_are_not() {
        let text = "www.x.example/p, x.example, Dr.No, joe@www.x.example https://www.x.example/ WWW.y.example";
        let bare = find(text).into_iter().filter(|url| !url.has_scheme).map(|url| &text[url.range]);
        assert_eq!(bare.collect::<Vec<_>>(), ["www.x.example/p", "WWW.y.example"]);
    }

    proptest! {
        #[test]
        fn urls_are_in_order_on_characters_and_do_not_overlap(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("https://x.example/p?a=".to_owned()),
                    Just("www.x.example".to_owned()),
                    Just("${a}".to_owned()),
                    Just("{{ b }}".to_owned()),
                    "[<>()\\[\\]{}.,:;/#\u{a0}é“ \r\n$%*|'\"a-c]{0,5}",
                    "\\PC{0,3}",
                ],
                0..12,
            )
        ) {
            let text = parts.concat();
            prop_assert_eq!(mask(&text, &merge_field::find(&text)).len(), text.len());
            let mut end = 0;
            for url in find(&text) {
                prop_assert!(end <= url.range.start && url.range.start < url.range.end);
                prop_assert!(text.get(url.range.clone()).is_some());
                end = url.range.end;
            }
        }
    }
}
