//! Rewriting whole newsletters: before and after to read, properties that hold for any bytes, and
//! real newsletters where they are at hand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that panics has failed, and says where")]

#[path = "rewrite/dom.rs"]
mod dom;
#[path = "rewrite/world.rs"]
mod world;

use std::path::PathBuf;

use proptest::prelude::*;
use reaid::links::LinkMaker;
use reaid::rewrite::{self, Format, Link, Linker, Options, Outcome, Reason, Rewritten, html};
use world::{BASE_URL, PIXEL, World, files, folder, reason};

/// The only link of `<a href="…">`, rewritten.
fn one(href: &str) -> Link {
    World::new().rewrite(format!("<a href=\"{href}\">").as_bytes(), false).report.links.remove(0)
}

/// `tests/rewrite/*.before.html` becomes `*.after.html`; with `UPDATE_GOLDEN=1` the latter are written.
#[test]
fn newsletters_come_out_as_written_down() {
    let before = files(&folder("tests/rewrite"), ".before.html");
    assert!(!before.is_empty());
    for path in before {
        let found = World::new().rewrite(&std::fs::read(&path).unwrap(), true).bytes;
        let after = PathBuf::from(path.to_string_lossy().replace(".before.", ".after."));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&after, &found).unwrap();
        }
        assert_eq!(String::from_utf8_lossy(&found), String::from_utf8_lossy(&std::fs::read(&after).unwrap()));
    }
}

#[test]
fn every_reason_to_leave_a_link_has_its_word() {
    for (href, expected) in [
        ("", Reason::Empty),
        (" \n", Reason::Empty),
        ("#top", Reason::Fragment),
        ("mailto:x@shop.example", Reason::Mailto),
        ("MAILTO&colon;x", Reason::Mailto),
        ("tel:+45", Reason::Tel),
        ("sms:+45", Reason::Sms),
        ("java\nscript:x", Reason::OtherScheme),
        ("${link}", Reason::MergeField),
        ("https://shop.example/${path}?a=1", Reason::MergeFieldOutsideQuery),
        ("https://${host}/", Reason::MergeFieldOutsideQuery),
        ("https://shop.example/?a=1#${x}", Reason::MergeFieldOutsideQuery),
        ("https://shop.example/?a=&#36;{x}", Reason::MergeFieldEscaped),
        ("https://shop.example/?who=${mail1}", Reason::AddressMergeField),
        ("https://shop.example/?who={{contact.Email}}", Reason::AddressMergeField),
        ("https://shop.example/?a={% if x %}b{% endif %}", Reason::TemplateBlock),
        ("https://shop.example/?a=<% if (x) { %>b<% } %>", Reason::TemplateBlock),
        ("https://shop.example/?a=<%= ", Reason::MergeFieldOpen),
        ("/p", Reason::RelativeWithoutBase),
        ("//shop.example/p", Reason::RelativeWithoutBase),
        ("https://shop.example/UnSubscribe?x", Reason::Unsubscribe),
        ("https://shop.example/un%73ubscribe", Reason::Unsubscribe),
        ("https://other.example/", Reason::OtherHost),
        ("https://notshop.example/", Reason::OtherHost),
        ("https://click.shop.example/c/AQEC?reaid=${reaid}", Reason::Ours),
        ("http://CLICK.shop.example/", Reason::Ours),
        ("https://u@shop.example/", Reason::Unsafe),
        ("https:shop.example/", Reason::Unsafe),
        ("https://shop.example\\@evil.example/", Reason::Unsafe),
    ] {
        let link = one(href);
        assert_eq!(reason(&link), Some(expected), "{href}");
    }
    assert_eq!(reason(&one(&format!("https://shop.example/{}", "a".repeat(2048)))), Some(Reason::TooLong));
    assert_eq!(reason(&one(&"x".repeat(9000))), Some(Reason::TooLong));
}

#[test]
fn destinations_are_what_a_browser_would_have_opened() {
    let world = World::new();
    for (href, destination, query) in [
        ("https://shop.example", "https://shop.example", "reaid=${reaid}"),
        (
            "https://shop.example/p?a=1&amp;b=2&copy=3#top",
            "https://shop.example/p?a=1&b=2&copy=3#top",
            "reaid=${reaid}",
        ),
        ("HTTP://shop.example/a+b?q=a+b&flag&t==", "HTTP://shop.example/a+b?q=a+b&flag&t==", "reaid=${reaid}"),
        ("\thttps://shop.example/gr&ouml;&szlig;e?ü", "https://shop.example/gr%C3%B6%C3%9Fe?%C3%BC", "reaid=${reaid}"),
        ("https://shop.example/p?a=1&sku=${sku}&b=2", "https://shop.example/p?a=1&b=2", "sku=${sku}&reaid=${reaid}"),
        (
            "https://shop.example/p?sku={{ a | b: 'c&d' }}#f",
            "https://shop.example/p#f",
            "sku={{ a | b: 'c&d' }}&reaid=${reaid}",
        ),
        ("https://shop.example/p?a=1&reaid=${old}&amp;amp;REAID=x", "https://shop.example/p?a=1", "reaid=${reaid}"),
        ("https://sister.example/", "https://sister.example/", "reaid={{ contact.reaid | default: \"\" }}"),
    ] {
        let Outcome::Rewritten { url } = one(href).outcome else { panic!("{href} was left") };
        assert_eq!((world.destination(&url).as_str(), url.split_once('?').unwrap().1), (destination, query), "{href}");
    }
}

#[test]
fn utm_parameters_are_signed_where_the_author_wrote_none() {
    let mut world = World::new();
    world.utm = [("utm_source", "news"), ("utm_medium", "e mail")].map(|(a, b)| (a.to_owned(), b.to_owned())).to_vec();
    for (href, destination, query) in [
        ("https://shop.example/p#top", "https://shop.example/p?utm_source=news&utm_medium=e%20mail#top", ""),
        ("https://shop.example/?reaid=x", "https://shop.example/?utm_source=news&utm_medium=e%20mail", ""),
        ("https://shop.example/?UTM%5Fsource=x", "https://shop.example/?UTM%5Fsource=x&utm_medium=e%20mail", ""),
        ("https://shop.example/?a&amp;utm_medium=${m}", "https://shop.example/?a&utm_source=news", "utm_medium=${m}&"),
    ] {
        let report = world.rewrite(format!("<a href=\"{href}\">").as_bytes(), false).report;
        let Outcome::Rewritten { url } = &report.links[0].outcome else { panic!("{href} was left") };
        assert_eq!(world.destination(url), destination);
        assert_eq!(url.split_once('?').unwrap().1, format!("{query}reaid=${{reaid}}"));
    }
}

#[test]
fn relative_links_start_from_the_base() {
    let world = World::new();
    let html = b"<base target=_blank><base href='https://shop.example/a/b?x'><a href='c?d=${e}'><a href='//sister.example/'><a href='?q'>";
    let report = world.rewrite(html, false).report;
    let urls = report.links.iter().map(|link| match &link.outcome {
        Outcome::Rewritten { url } => world.destination(url),
        Outcome::Left { reason } => panic!("left: {reason:?}"),
    });
    assert_eq!(
        urls.collect::<Vec<_>>(),
        ["https://shop.example/a/c", "https://sister.example/", "https://shop.example/a/b?q"]
    );
}

#[test]
fn a_merge_field_keeps_its_bytes_in_any_quotes() {
    for (before, after) in [
        ("<a href=https://shop.example/?a={{x|d:\"y\"}}>", "?a={{x|d:\"y\"}}&amp;reaid=${reaid}'>"),
        ("<a href='https://shop.example/?a={{x && \"y\"}}'>", "?a={{x && \"y\"}}&amp;reaid=${reaid}'>"),
        ("<a href=\"https://shop.example/?a=<%= x > 'y' %>&amp;b=1\">", "?a=<%= x > 'y' %>&amp;reaid=${reaid}\">"),
    ] {
        let found = String::from_utf8(World::new().rewrite(before.as_bytes(), false).bytes).unwrap();
        assert_eq!(found.split_at(found.find('?').unwrap()).1, after);
    }
}

#[test]
fn a_merge_field_that_never_ends_swallows_none_of_ours() {
    for href in ["https://sister.example/?s{{{ku=${sku}&x", "https://sister.example/?sku=${sku}{{"] {
        assert_eq!(reason(&one(href)), Some(Reason::MergeFieldOpen), "{href}");
    }
}

#[test]
fn nothing_ends_a_conditional_comment_that_did_not_end_it_before() {
    let mut world = World::new();
    world.shops[1].merge_field = "{{ a --> b }}".into();
    let html = b"<!--[if mso]><a href=https://sister.example/><a href=https://shop.example/--><![endif]-->";
    let report = world.rewrite(html, false).report;
    assert_eq!(report.links.iter().map(reason).collect::<Vec<_>>(), [Some(Reason::EndsComment)]);
    let outside = world.rewrite(b"<a href=https://sister.example/>", false).report;
    assert_eq!(outside.rewritten(), 1);
}

#[test]
fn what_cannot_be_told_is_left_and_said() {
    let html = b"<a href=https://shop.example/1><svg><svg><p><style><a href=https://shop.example/2></style></body>";
    let Rewritten { bytes, report } = World::new().rewrite(html, true);
    assert_eq!(report.links.iter().map(reason).collect::<Vec<_>>(), [None, Some(Reason::UnclearMarkup)]);
    assert_eq!(report.warnings.iter().map(|it| it.code).collect::<Vec<_>>(), ["no_pixel", "unclear_markup"]);
    assert!(!report.pixel && bytes.ends_with(&html[31..]));
}

#[test]
fn pages_in_any_encoding_keep_their_other_bytes() {
    let world = World::new();
    let latin = b"<meta charset=iso-8859-1>\xe9<a href='https://shop.example/\xe9?a=${\xe9}'>\xfc</a>";
    let Rewritten { bytes, report } = world.rewrite(latin, false);
    let Outcome::Rewritten { url } = &report.links[0].outcome else { panic!("left") };
    assert_eq!(world.destination(url), "https://shop.example/%C3%A9");
    assert!(bytes.starts_with(b"<meta charset=iso-8859-1>\xe9<a href='https://click."));
    assert!(bytes.ends_with(b"?a=${\xe9}&amp;reaid=${reaid}'>\xfc</a>"), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!(report.links[0].text, "ü");

    let broken = b"<meta charset=utf-8><a href='https://shop.example/\xe9'>";
    let report = world.rewrite(broken, false).report;
    assert_eq!((reason(&report.links[0]), report.errors[0].code), (Some(Reason::Encoding), "unreadable_link"));

    let odd_utf_16 = b"\xff\xfe<\0a\0 ";
    let Rewritten { bytes, report } = world.rewrite(odd_utf_16, true);
    assert_eq!((bytes.as_slice(), report.errors[0].code, report.pixel), (odd_utf_16.as_slice(), "encoding", false));
}

/// Codes of errors, then of warnings.
fn remarks(world: &World, html: &str) -> Vec<&'static str> {
    let report = world.rewrite(html.as_bytes(), false).report;
    report.errors.iter().map(|it| it.code).chain(report.warnings.iter().map(|it| it.code)).collect()
}

#[test]
fn what_actito_would_reject_is_said_with_its_code() {
    let mut world = World::new();
    world.shops[1].merge_field = "${other}".into();
    for (href, codes) in [
        ("", &["empty_link"][..]),
        ("sms:+45", &["scheme"]),
        ("javascript:void(0)", &["scheme"]),
        ("/p", &["relative_link"]),
        ("//shop.example/", &["relative_link"]),
        ("https://u@shop.example/", &["unsafe_url"]),
        ("https://other.example/?a=<%= ", &["merge_field_open"]),
        ("https://shop.example/?a={{b}}", &["foreign_merge_field"]),
        ("{{link}}", &["foreign_merge_field"]),
        ("https://shop.example/?who=jane%40example.org", &["address_in_url"]),
        ("https://shop.example/?email=x", &["reserved_parameter"]),
        ("https://shop.example/?who=${mail1}", &["address_merge_field"]),
        ("https://shop.example/?a=${b}", &[]),
        ("https://other.example/", &[]),
        ("${link}", &[]),
        ("${host}/p", &[]),
        ("mailto:jane@example.org", &[]),
        ("tel:+45", &[]),
        ("#", &[]),
    ] {
        assert_eq!(remarks(&world, &format!("<a href=\"{href}\">")), codes, "{href}");
    }
    let large = "x".repeat(rewrite::lint::CLIPPED_BEYOND);
    assert_eq!(remarks(&world, &large), [""; 0]);
    assert_eq!(remarks(&world, &format!("{large}x")), ["size"]);
}

#[test]
fn consent_goes_with_every_link_and_the_pixel_where_it_is_asked_for() {
    let mut world = World::new();
    world.shops[0].consent_field = Some("${ok}".into());
    let html = "<a href=\"https://shop.example/?a=${b}\">x</a><a href=https://sister.example/>y</a>";
    let rewritten = world.rewrite(html.as_bytes(), true);
    let out = String::from_utf8(rewritten.bytes.clone()).unwrap();
    assert_eq!(out.matches("reaid_consent=${ok}&amp;reaid=${reaid}").count(), 2, "the link and the pixel: {out}");
    assert!(out.contains("?a=${b}&amp;reaid_consent=${ok}&amp;reaid=${reaid}"), "{out}");
    assert_eq!(out.matches("reaid_consent").count(), 2, "the other shop asks nobody: {out}");
    assert_eq!(world.rewrite(&rewritten.bytes, true).bytes, rewritten.bytes, "twice changes nothing");
    let text = world.rewrite_as(rewrite::Format::Text, b"See https://shop.example/p now", false).unwrap();
    assert!(String::from_utf8(text.bytes).unwrap().contains("?reaid_consent=${ok}&reaid=${reaid} now"));
}

#[test]
fn no_message_repeats_an_address() {
    let html = "<a href='https://shop.example/?who=jane@example.org'><a href='sms:jane@example.org'>";
    let report = World::new().rewrite(html.as_bytes(), false).report;
    let messages = report.errors.iter().map(|it| &it.message).chain(report.warnings.iter().map(|it| &it.message));
    assert_eq!(messages.filter(|message| message.contains("jane")).count(), 0);
}

#[test]
fn a_document_beyond_the_limit_is_refused() {
    let world = World::new();
    let maker = LinkMaker { keys: &world.keys, base_url: BASE_URL, campaign: &world.campaign };
    let linker = Linker { sites: &world.sites, shops: &world.shops, maker, pixel: &world.shops[0] };
    let options =
        Options { linker: &linker, unsubscribe_patterns: &[], address_attributes: &[], utm: &[], pixel: false };
    let document = vec![b'x'; rewrite::MAX_DOCUMENT + 1];
    assert_eq!(rewrite::rewrite(&document, Format::Html, options).unwrap_err().kind(), "too_large");
    assert_eq!(rewrite::rewrite(&document[1..], Format::Html, options).unwrap().bytes, document[1..]);
}

#[test]
fn links_beyond_the_last_number_are_left() {
    let html = "<a href=https://shop.example>".repeat(65_537);
    let report = World::new().rewrite(html.as_bytes(), false).report;
    assert_eq!(report.rewritten(), 65_535);
    assert_eq!(reason(&report.links[65_536]), Some(Reason::TooMany));
}

/// The bytes between link targets, without the quotes that rewriting adds.
fn outside_targets(html: &[u8]) -> Vec<Vec<u8>> {
    let mut position = 0;
    let mut outside = Vec::new();
    for target in html::find(html).unwrap().links {
        let quoted = usize::from(target.href.quote != html::Quote::None);
        outside.push(html[position..target.href.range.start - quoted].to_vec());
        position = target.href.range.end + quoted;
    }
    outside.push(html[position..].to_vec());
    outside
}

/// Pieces of newsletters, whole and broken.
fn pieces(links: &'static [&'static str]) -> impl Strategy<Value = String> {
    let markup: &'static [&'static str] = &[
        "<p>",
        "</p>",
        "<table><tr><td>",
        "</td></tr></table>",
        "<b>",
        "</b>",
        "<div title='</body>'>",
        "</div>",
        "<!-- <a href=\"https://shop.example/no\"> -->",
        "<!--[if mso]>",
        "<![endif]-->",
        "<!--[if !mso]><!-->",
        "<style>",
        "<style x=>",
        "</style>",
        "<script>'<a href=\"https://shop.example/no\">'",
        "</script>",
        "<title>",
        "</title>",
        "<textarea>",
        "<textarea x = >",
        "</textarea>",
        "<img src=x>",
        "<body class=x>",
        "</body>",
        "</html>",
        "</a>",
        "text & é &amp; ",
        "<svg><a href=x></a></svg>",
        "<svg>",
        "</svg>",
        "<svg/>",
        "<math>",
        "</math>",
        "<foreignObject>",
        "</foreignObject>",
        "<g>",
        "<path/>",
        "<![CDATA[",
        "]]>",
        "<font color=red>",
        "<noscript>",
        "</noscript>",
        "<!-- [IF (gte mso 9)|(IE)]>",
        "<!--[if !mso]> <!-- -->",
        "<![if !mso]>",
        "<![endif]>",
        "<!--",
        "-->",
        "--!>",
        "<template>",
        "</template>",
        "<col>",
        "</select>",
        "<frameset>",
        "<a name=x>",
        "<a\n",
        "<!doctype html>",
        "</p title=\">\"",
        "<select>",
        "${firstName}",
    ];
    let piece = prop_oneof![
        3 => prop::sample::select(markup).prop_map(str::to_owned),
        3 => prop::sample::select(links).prop_map(str::to_owned),
        1 => "[<>\"'=/ a-z&;!-]{0,6}",
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

const OURS_AND_OTHERS: &[&str] = &[
    "<a href=\"https://shop.example/p?x=1&amp;y=2\">",
    "<A HREF = https://shop.example/p?x=1>",
    "<a class=x href='https://sister.example/?sku=${sku}&#38;q=\"'>",
    "<area href=https://www.shop.example/map?a=b&copy=c#d alt=x>",
    "<a href='https://shop.example/1' href='https://shop.example/2'>",
    "<a href=https://shop.example/>",
    "<a/href=\"https://shop.example/\"title=x>",
    "<a href=\"https://other.example/\">",
    "<a href=\"/relative?a=${b}\">",
    "<a href=\"mailto:x@shop.example\">",
    "<a href>",
    "<v:roundrect xmlns:v=u HREF='https://shop.example/v?a=${b}&amp;c=--'>",
    "<v:oval href=https://www.shop.example/o/>",
    "<svg><a xlink:href=\"https://shop.example/x\"></a></svg>",
    "<a xlink:href=https://shop.example/x>",
    "<!--[if mso]><a href=\"https://shop.example/mso\">x</a><v:rect href=https://sister.example/?a=b--><![endif]-->",
    "<noscript><a href='https://shop.example/n'>x</a></noscript>",
    "<a href=\"https://shop.example/?a=<%= b --> c %>\">",
    "<base href=https://shop.example/base/>",
];

const ENCODINGS: &[&encoding_rs::Encoding] = &[
    encoding_rs::WINDOWS_1252,
    encoding_rs::WINDOWS_1250,
    encoding_rs::GB18030,
    encoding_rs::ISO_2022_JP,
    encoding_rs::UTF_16LE,
    encoding_rs::UTF_16BE,
];

const OTHERS: &[&str] = &[
    "<a href=\"https://other.example/p?x=1&amp;y=2\">",
    "<A HREF = https://other.example/p?x=1>",
    "<a href=/relative>",
    "<a href='#x'>",
    "<a href=\"${link}\">",
    "<a href='https://shop.example/' data-reaid=off>",
    "<img src=\"https://click.shop.example/o/x.gif\">",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn with_nothing_to_rewrite_the_input_comes_back(html in pieces(OTHERS), junk in prop::collection::vec(any::<u8>(), 0..64)) {
        let html = [html.as_bytes(), &junk].concat();
        let elsewhere = World::with_hosts(&["elsewhere.example"], &[]);
        prop_assert_eq!(elsewhere.rewrite(&html, false).bytes, html);
    }

    #[test]
    fn bytes_outside_targets_stay_as_they_are(html in pieces(OURS_AND_OTHERS), junk in any::<u8>()) {
        let html = [html.as_bytes(), &[junk]].concat();
        prop_assert_eq!(outside_targets(&World::new().rewrite(&html, false).bytes), outside_targets(&html));
    }

    #[test]
    fn rewriting_twice_equals_rewriting_once(html in pieces(OURS_AND_OTHERS), pixel: bool) {
        let world = World::new();
        let once = world.rewrite(html.as_bytes(), pixel);
        let twice = world.rewrite(&once.bytes, pixel);
        prop_assert_eq!(twice.report.rewritten(), 0);
        prop_assert_eq!(twice.report.pixel, once.report.pixel);
        prop_assert_eq!(String::from_utf8_lossy(&twice.bytes), String::from_utf8_lossy(&once.bytes));
    }

    #[test]
    fn browsers_see_the_same_document_but_for_targets(html in pieces(OURS_AND_OTHERS)) {
        let after = World::new().rewrite(html.as_bytes(), false).bytes;
        let (before, after) = (dom::lines(html.as_bytes()), dom::lines(&after));
        prop_assert_eq!(dom::without_targets_and_pixel(&before, PIXEL), dom::without_targets_and_pixel(&after, PIXEL));
    }

    #[test]
    fn every_link_that_a_browser_or_outlook_sees_is_in_the_report(html in pieces(OURS_AND_OTHERS)) {
        let Rewritten { bytes, report } = World::new().rewrite(html.as_bytes(), true);
        let reported = |target: &str| report.links.iter().filter(|link| link.original == target).collect::<Vec<_>>();
        for target in dom::targets(&dom::lines(html.as_bytes())) {
            prop_assert!(!reported(target.trim()).is_empty(), "{} in {:#?}", target, report);
        }
        // What still leads to a shop was left for a reason that its place gives, not itself.
        for target in dom::targets(&dom::lines(&bytes)) {
            if ["https://shop.", "https://www.", "https://sister."].iter().any(|shop| target.starts_with(shop)) {
                let unclear = |link: &&Link| reason(link) == Some(Reason::UnclearMarkup);
                prop_assert!(reported(target.trim()).iter().any(unclear), "{} in {:#?}", target, report);
            }
        }
    }

    #[test]
    fn in_other_encodings_the_same_happens(html in pieces(OURS_AND_OTHERS), encoding in prop::sample::select(ENCODINGS)) {
        let plain = |label: &str| format!("<meta charset={label}>{html}");
        let encoded = |text: &str| match encoding.name() {
            "UTF-16LE" => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "UTF-16BE" => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => encoding.encode(text).0.into_owned(),
        };
        let found = World::new().rewrite(&encoded(&plain(encoding.name())), true);
        let expected = World::new().rewrite(plain("UTF-8").as_bytes(), true);
        let text = String::from_utf8(expected.bytes).unwrap().replacen("UTF-8", encoding.name(), 1);
        let expected_bytes = encoded(&text);
        prop_assert_eq!(encoding.decode(&found.bytes).0, encoding.decode(&expected_bytes).0);
        prop_assert_eq!(found.report.links, expected.report.links);
    }

    #[test]
    fn the_pixel_removed_leaves_the_document_without_it(html in pieces(OURS_AND_OTHERS)) {
        let (without, with) = (World::new().rewrite(html.as_bytes(), false), World::new().rewrite(html.as_bytes(), true));
        let with_text = String::from_utf8_lossy(&with.bytes).into_owned();
        let removed = match (with.report.pixel, with_text.find("<img src=\"https://click.shop.example/o/")) {
            (true, Some(start)) => {
                let end = start + with_text[start..].find('>').unwrap() + 1;
                format!("{}{}", &with_text[..start], &with_text[end..])
            }
            (false, None) => with_text,
            other => panic!("report and document disagree: {other:?}"),
        };
        prop_assert_eq!(removed, String::from_utf8_lossy(&without.bytes));
    }
}

/// Checks one newsletter whose every http(s) host belongs to a shop.
fn check_newsletter(name: &str, html: &[u8]) {
    let before = dom::lines(html);
    let web = |target: &&String| target.trim_start().get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
    let hosts: Vec<String> = dom::targets(&before)
        .iter()
        .filter(web)
        .filter_map(|target| Some(url::Url::parse(target).ok()?.host_str()?.to_owned()))
        .collect();
    let mut world = World::with_hosts(&hosts, &[]);
    world.unsubscribe.clear();
    let once = world.rewrite(html, true);
    for link in &once.report.links {
        let expected = match &link.outcome {
            Outcome::Rewritten { url } => Ok(world.destination(url)),
            Outcome::Left { reason } => Err(*reason),
        };
        match expected {
            Ok(destination) if !link.original.contains("${") => {
                let original = world.sites.accept(&link.original).unwrap().destination;
                assert_eq!(destination, original.as_str(), "{name}");
            }
            Ok(_) | Err(Reason::Off | Reason::MergeFieldOutsideQuery | Reason::AddressMergeField) => {}
            Err(reason) => assert!(
                !web(&&link.original) || world.sites.accept(&link.original).is_err(),
                "{name}: {reason:?} {}",
                link.original
            ),
        }
    }
    assert_eq!(dom::targets(&before).len(), once.report.links.len(), "{name}: every link that a browser sees is found");
    assert!(once.report.pixel, "{name}");
    let after = dom::lines(&once.bytes);
    assert_eq!(dom::without_targets_and_pixel(&before, PIXEL), dom::without_targets_and_pixel(&after, PIXEL), "{name}");
    assert_eq!(world.rewrite(&once.bytes, true).bytes, once.bytes, "{name}");
}

#[test]
fn the_newsletter_of_the_demo_is_rewritten() {
    let html = std::fs::read(folder("assets/newsletter.html")).unwrap();
    check_newsletter("assets/newsletter.html", &html);
    let report = World::new().rewrite(&html, true).report;
    let left = |wanted| report.links.iter().filter(|link| reason(link) == Some(wanted)).count();
    assert_eq!(report.rewritten(), 13);
    assert_eq!([Reason::Fragment, Reason::Unsubscribe, Reason::Off, Reason::AddressMergeField].map(left), [2, 2, 1, 1]);
    assert_eq!([Reason::MergeField, Reason::Mailto, Reason::Tel, Reason::OtherHost].map(left), [1, 1, 1, 1]);
}

/// Real newsletters are not part of the project; `REAID_CORPUS` names a folder of them.
#[test]
fn real_newsletters_are_rewritten() {
    let corpus = std::env::var_os("REAID_CORPUS").map_or_else(|| folder("../shared/corpus/newsletters"), PathBuf::from);
    if !corpus.is_dir() {
        eprintln!("no newsletters at {}: skipped", corpus.display());
        return;
    }
    for path in files(&corpus, ".html") {
        check_newsletter(&path.to_string_lossy(), &std::fs::read(&path).unwrap());
    }
}
