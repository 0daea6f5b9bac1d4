//! Every mangling, one line each, and any text at all.

use proptest::prelude::*;

use super::*;

/// Stands for a token that opens.
const TOKEN: &str = "AQECAAEEMTIzNARkZW1vc2hvcC5leGFtcGxlL3A_eD0xJnk9JUMzJUE5I3RvcMcHcBJ7ZQkuHym88AvLnvg";

const REAID: &str = "AVCX2Xn3aHNLYEVZLOeLQLnM";

/// The token opens, and so does the parameter: as the edge would say.
fn score(reading: &Pasted) -> u8 {
    let opens = reading.token.strip_prefix(TOKEN).is_some_and(|rest| !rest.starts_with(|c| is_base64url(c as u8)));
    u8::from(opens) + u8::from(opens && reading.query.split('&').any(|it| it == format!("reaid={REAID}")))
}

fn undone(text: &str) -> Result<(String, Vec<&'static str>), PastedError> {
    let text = text.replace("TOKEN", TOKEN).replace("REAID", REAID);
    let found = read(&text, score)?;
    let host = found.host.unwrap_or_default();
    let url = format!("{host} {} {}", found.token, found.query);
    Ok((url.replace(TOKEN, "TOKEN").replace(REAID, "REAID"), found.undone.into_iter().map(Undone::as_str).collect()))
}

const WHOLE: &str = "click.example TOKEN a=1&reaid=REAID";

#[test]
fn what_happened_to_a_url_is_undone_and_told() {
    let (half, rest) = TOKEN.split_at(40);
    let cases: &[(&str, &str, &[&str])] = &[
        ("https://click.example/c/TOKEN?a=1&reaid=REAID", WHOLE, &[]),
        ("  https://click.example/c/TOKEN?a=1&reaid=REAID\r\n", WHOLE, &[]),
        ("<https://click.example/c/TOKEN?a=1&reaid=REAID>", WHOLE, &["surroundings"]),
        ("\"https://click.example/c/TOKEN?a=1&reaid=REAID\"", WHOLE, &["surroundings"]),
        ("'https://click.example/c/TOKEN?a=1&reaid=REAID'", WHOLE, &["surroundings"]),
        ("“https://click.example/c/TOKEN?a=1&reaid=REAID”", WHOLE, &["surroundings"]),
        ("<a href='https://click.example/c/TOKEN?a=1&reaid=REAID'>x</a>", WHOLE, &["white_space", "surroundings"]),
        ("[Shop](https://click.example/c/TOKEN?a=1&reaid=REAID).", WHOLE, &["surroundings", "trailing_characters"]),
        ("(https://click.example/c/TOKEN?a=1&reaid=REAID),", WHOLE, &["surroundings", "trailing_characters"]),
        ("https://click.example/c/TOKEN?a=1&reaid=REAID=", WHOLE, &["trailing_characters"]),
        ("https://click.example/c/TOKEN=", "click.example TOKEN ", &["trailing_characters"]),
        ("https://click.example/c/TOKEN?a=", "click.example TOKEN a=", &[]),
        ("https://click.example/c/TOKEN?a=(1)", "click.example TOKEN a=(1)", &[]),
        ("https://click.example/c/TOKEN?reaid=[[REAID]]", "click.example TOKEN reaid=[[REAID]]", &[]),
        ("https://click.example/c/TOKEN?a=1&amp;reaid=REAID", WHOLE, &["html_entities"]),
        ("https://click.example/c/TOKEN?a=1&amp;amp;amp;reaid=REAID", WHOLE, &["html_entities"]),
        ("https:&#x2F;&#47;click.example/c/TOKEN?a&#61;1&#38;reaid&equals;REAID", WHOLE, &["html_entities"]),
        ("&lt;https://click.example/c/TOKEN?a=1&amp;reaid=REAID&gt;", WHOLE, &["html_entities", "surroundings"]),
        ("https://click.example/c/TOKEN?a=3D1&reaid=3DREAID", WHOLE, &["quoted_printable"]),
        ("https://click.example/c/TOKEN?view=3D&x=1", "click.example TOKEN view=3D&x=1", &[]),
        ("https://click.example/c/TOKEN?reaid=3DREAID", "click.example TOKEN reaid=REAID", &["quoted_printable"]),
        ("https://click.example/c/TOKEN?a=3D1&re=\r\naid=3DREAID", WHOLE, &["quoted_printable"]),
        ("https://click.\u{200b}example/c/TOKEN?a=1&re\u{ad}aid=REAID\u{feff}", WHOLE, &["hidden_characters"]),
        ("HTTPS://Click.Example/c/TOKEN?a=1&reaid=REAID", WHOLE, &["letter_case"]),
        ("click.example/c/TOKEN?a=1&reaid=REAID", WHOLE, &["missing_scheme"]),
        ("see click.example/c/TOKEN?a=1&reaid=REAID now", WHOLE, &["surroundings", "missing_scheme"]),
        ("https%3A%2F%2Fclick.example%2Fc%2FTOKEN%3Fa%3D1%26reaid%3DREAID", WHOLE, &["percent_encoding"]),
        (
            "https%253A%252F%252Fclick.example%252Fc%252FTOKEN%253Fa%253D1%2526reaid%253DREAID",
            WHOLE,
            &["percent_encoding"],
        ),
        ("https://click.example/c/TOKEN%3Fa%3D1%26reaid%3DREAID", WHOLE, &["percent_encoding"]),
        ("TOKEN", " TOKEN ", &[]),
        ("/c/TOKEN?a=1", " TOKEN a=1", &[]),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fclick.example%2Fc%2FTOKEN%3Fa%3D1%26reaid%3DREAID&amp;data=05%7C02&sdata=x%3D&reserved=0",
            WHOLE,
            &["html_entities", "outlook_safelinks"],
        ),
        (
            "https://urldefense.proofpoint.com/v1/url?u=https://click.example/c/TOKEN%3Fa%3D1%26reaid%3DREAID&k=x",
            WHOLE,
            &["proofpoint_urldefense"],
        ),
        (
            "https://www.google.com/url?q=https://click.example/c/TOKEN%3Fa%3D1%26reaid%3DREAID&sa=D&ust=1",
            WHOLE,
            &["google_redirect"],
        ),
        (
            "https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fclick.example%2fc%2fTOKEN%3fa%3d1%26reaid%3dREAID&c=E,1,x&typo=1",
            WHOLE,
            &["barracuda_linkprotect"],
        ),
        (
            "https://redirect.example/?to=https%3A%2F%2Fclick.example%2Fc%2FTOKEN%3Fa%3D1%26reaid%3DREAID",
            WHOLE,
            &["other_redirect"],
        ),
        (
            "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fwww.google.com%2Furl%3Fq%3Dhttps%253A%252F%252Fclick.example%252Fc%252FTOKEN%253Fa%253D1%252526reaid%253DREAID&data=1",
            WHOLE,
            &["outlook_safelinks", "google_redirect"],
        ),
        (
            "https://shop.example/ https://click.example/c/TOKEN?a=1&reaid=REAID",
            WHOLE,
            &["white_space", "surroundings"],
        ),
    ];
    let mut wrong = Vec::new();
    for (text, expected, words) in cases {
        let text = text.replace("%252526", "%2526");
        let found = undone(&text);
        if found != Ok(((*expected).to_owned(), words.to_vec())) {
            wrong.push(format!("{text}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for between in ["\r\n", "\n", "\n    ", "\r\n> ", " ", "\t"] {
        let text = format!("https://click.example/c/{half}{between}{rest}?a=1&re{between}aid=REAID");
        assert_eq!(undone(&text), Ok((WHOLE.to_owned(), vec!["white_space"])), "{text:?}");
        let soft = format!("https://click.example/c/{half}=\r\n{rest}?a=3D1&reaid=3DREAID");
        assert_eq!(undone(&soft), Ok((WHOLE.to_owned(), vec!["quoted_printable"])), "{soft:?}");
    }
}

#[test]
fn words_around_a_url_do_not_become_part_of_it() {
    for text in [
        "Hi, https://click.example/c/TOKEN?a=1&reaid=REAID is broken",
        "Hi,\nhttps://click.example/c/TOKEN?a=1&reaid=REAID\nis broken",
    ] {
        assert_eq!(undone(text).unwrap().0, WHOLE, "{text}");
    }
    let wrapped = format!("Hi,\nhttps://click.example/c/{}\n{}?a=1&reaid=REAID is broken", &TOKEN[..50], &TOKEN[50..]);
    assert_eq!(undone(&wrapped).unwrap().0, WHOLE);
}

#[test]
fn proofpoint_is_decoded_in_its_later_versions() {
    let plain = format!("https://click.example/c/{TOKEN}?a=1&reaid={REAID}");
    let second: String = plain
        .chars()
        .map(|c| match c {
            '/' => "_".to_owned(),
            ':' | '?' | '=' | '&' | '_' | '-' => format!("-{:02X}", c as u32),
            c => c.to_string(),
        })
        .collect();
    let second = format!("https://urldefense.proofpoint.com/v2/url?u={second}&d=DwMFaQ&c=x&r=y");
    let third =
        format!("https://urldefense.com/v3/__https:/click.example/c/{TOKEN}*a**A1&reaid={REAID}__;Pz09PQ!!AbC!x$");
    for (text, query) in [(second, "a=1"), (third, "a==1")] {
        let (url, words) = undone(&text).unwrap();
        assert_eq!((url, words), (format!("click.example TOKEN {query}&reaid=REAID"), vec!["proofpoint_urldefense"]));
    }
}

#[test]
fn what_holds_no_click_url_is_said_to() {
    for text in [
        "",
        " ",
        "hello",
        "https://shop.example/p?x=1",
        "mailto:a@x.example",
        "https://www.google.com/url?q=x",
        "AQEC",
        "A sentence that is longer than a token",
    ] {
        assert_eq!(undone(text), Err(PastedError::Nothing), "{text}");
    }
    let mimecast = "https://protect-eu.mimecast.com/s/abcDEF?domain=click.example";
    assert_eq!(undone(mimecast), Err(PastedError::Mimecast));
    assert_eq!(undone(&"x".repeat(MAX_PASTED + 1)), Err(PastedError::TooLong(MAX_PASTED + 1)));
}

proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in "\\PC{0,80}") {
        drop(read(&text, score));
    }

    #[test]
    fn nor_any_that_looks_like_one(
        parts in prop::collection::vec(prop_oneof![
            Just("https://".to_owned()), Just("click.example".to_owned()), Just("/c/".to_owned()), Just("/o/A".to_owned()),
            Just(TOKEN.to_owned()), Just("urldefense.com/v3/__".to_owned()), Just("__;".to_owned()), Just("**".to_owned()),
            Just("safelinks.protection.outlook.com/?url=".to_owned()), Just("=\n".to_owned()), "[ =&?%é\\*\n\u{200b}!;A-F0-9]{0,6}",
        ], 0..12)
    ) {
        drop(read(&parts.concat(), score));
    }
}
