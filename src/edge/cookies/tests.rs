//! Cookies, right, wrong, and of any bytes.

use proptest::prelude::*;

use super::*;
use crate::identity::{EmailAddress, Identities, Keyring, Reaid, Secret};
use crate::links::CookieDomain;

const A: &str = "B784D44F-BAB1-EF17-BF97-31B7005ECC59";
const B: &str = "68439CC2-F9BE-84BC-24E5-A7AB3BA6C14B";

fn rules(consent: Option<(&str, &str)>) -> CookieRules {
    CookieRules {
        domain: CookieDomain::parse("shop.example").unwrap(),
        account: Account::parse("1234").unwrap(),
        consent: consent.map(|(name, value)| (name.to_owned(), value.to_owned())),
        secure: true,
        reaid_max_age: VISITOR_AGE,
    }
}

fn person() -> (Identities, Reaid) {
    let ring = Keyring::init(Secret::from_bytes([0; 32]), Secret::from_bytes([1; 32]), Timestamp::from_secs(0));
    let identities = Identities::derive(&ring, "shop");
    let reaid = identities.mint(&EmailAddress::parse("jane.doe@example.org").unwrap().digest());
    (identities, reaid)
}

fn headers<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(header::COOKIE, HeaderValue::from_bytes(field).unwrap());
    }
    headers
}

/// What Jane's click with these `Cookie` fields says and sets: `REAID` stands for hers.
fn visit(rules: &CookieRules, fields: &[&str], more: &[(&'static str, &str)], verdict: Verdict) -> (String, String) {
    let (identities, reaid) = person();
    let fields: Vec<String> = fields.iter().map(|field| field.replace("REAID", reaid.as_str())).collect();
    let mut headers = headers(fields.iter().map(|field| field.as_bytes()));
    for (name, value) in more {
        headers.insert(*name, value.parse().unwrap());
    }
    let who = Identity { verdict, reaid: (verdict == Verdict::Valid).then_some(reaid), may_be_sent: true };
    let derived = derived(Some(&identities), &rules.account, &who, Timestamp::from_secs(1_796_000_000));
    let visit = Visit::of(rules, &headers, &who, derived);
    let shown = |id: Option<[u8; 16]>| id.map_or("-".to_owned(), |id| Guid::from_bytes(id).to_string());
    let set: Vec<&str> = visit.set.iter().map(|(cookie, _)| cookie.as_str()).collect();
    (format!("{} {}", shown(visit.ids.coid), shown(visit.ids.sid)), set.join(" "))
}

fn of(fields: &[&str]) -> (String, String) {
    visit(&rules(None), fields, &[], Verdict::Valid)
}

#[test]
fn what_is_missing_is_set_and_what_is_there_is_used() {
    for (fields, ids, set) in [
        (vec![], "- -".to_owned(), "reaid visitor session"),
        (vec![format!("rsa={A}")], format!("{A} -"), "reaid session"),
        (vec![format!("a=b; rsa={A};rsaSession={B} ; c")], format!("{A} {B}"), "reaid"),
        (vec![format!("rsa={A}"), format!("rsaSession={B}"), "rsaReaid=REAID".into()], format!("{A} {B}"), ""),
        (vec![format!("1234rsa={A}; 1234rsaSession=\"{B}\"")], format!("{A} {B}"), "reaid"),
        (vec![format!("9999rsa={A}; RSA={A}")], "- -".to_owned(), "reaid visitor session"),
        // The older spelling of the same REAID does not stand in the way of the newer one.
        (vec!["rsaReaId=REAID".into()], "- -".to_owned(), "reaid visitor session"),
        // Somebody else: nothing is replaced, and nothing is put beside it.
        (vec![format!("rsaReaid=other; rsa={A}")], format!("{A} -"), ""),
        (vec!["rsaReaId=other".into()], "- -".to_owned(), ""),
        (vec!["1234rsaReaId=other; rsaReaid=REAID".into()], "- -".to_owned(), ""),
        // No GUID: it is not used, and not replaced.
        (vec!["rsa=1; rsaSession=x".into()], "- -".to_owned(), "reaid"),
        (vec![format!("rsa=; rsa={B}; rsa={A}; rsaSession=")], format!("{B} -"), "reaid session"),
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        assert_eq!(of(&fields), (ids, set.to_owned()), "{fields:?}");
    }
}

#[test]
fn who_declines_or_has_not_consented_is_left_alone() {
    let nothing = ("- -".to_owned(), String::new());
    let cookies = format!("rsa={A}");
    let asks = rules(Some(("ok", "yes")));
    assert_eq!(visit(&rules(None), &[&cookies], &[("sec-gpc", "1")], Verdict::Valid), nothing);
    assert_eq!(visit(&rules(None), &[&cookies], &[], Verdict::Disabled), nothing);
    assert_eq!(visit(&rules(None), &[&cookies], &[], Verdict::Suppressed), nothing);
    for without in ["", "ok=no", "ok=yes2", "OK=yes", "ok", "xok=yes", "ok=yes,no"] {
        assert_eq!(visit(&asks, &[&cookies, without], &[], Verdict::Valid), nothing, "{without}");
    }
    for with in ["ok=yes", "a=b; ok=yes", "ok=no; ok=yes"] {
        let expected = (format!("{A} -"), "reaid session".to_owned());
        assert_eq!(visit(&asks, &[&cookies, with], &[], Verdict::Valid), expected, "{with}");
    }
}

#[test]
fn a_click_without_a_reaid_uses_cookies_and_sets_none() {
    let cookies = format!("rsa={A}");
    assert_eq!(visit(&rules(None), &[&cookies], &[], Verdict::Missing), (format!("{A} -"), String::new()));
}

#[test]
fn cookies_are_written_as_raptors_script_writes_them() {
    let written = set_cookie(&rules(None), "rsa", A, VISITOR_AGE).unwrap();
    let expected = format!("rsa={A}; Domain=shop.example; Path=/; Max-Age=31536000; Secure; SameSite=Lax");
    assert_eq!(written, expected);
    let plain = CookieRules { secure: false, ..rules(None) };
    let written = set_cookie(&plain, "rsaSession", B, SESSION_AGE).unwrap();
    assert_eq!(written, format!("rsaSession={B}; Domain=shop.example; Path=/; Max-Age=1200; SameSite=Lax"));
}

proptest! {
    #[test]
    fn any_bytes_are_read_and_the_ids_among_them_found(
        noise in prop::collection::vec(prop::collection::vec((0x20u8..).prop_filter("of a field", |byte| *byte != 0x7f), 0..60), 0..5),
        at in 0usize..6,
    ) {
        // Another crumb may have any name but ours.
        let noise = noise.into_iter().filter(|crumb| !crumb.windows(3).any(|word| word == b"rsa"));
        let mut crumbs: Vec<Vec<u8>> = noise.collect();
        crumbs.insert(at.min(crumbs.len()), format!("rsa={A}; rsaSession={B}").into_bytes());
        let split = headers(crumbs.iter().map(Vec::as_slice));
        let joined = headers([crumbs.join(b"; ".as_slice()).as_slice()]);
        for headers in [split, joined] {
            let rules = rules(None);
            let jar = Jar::read(&rules, &headers);
            prop_assert_eq!(jar.visitor.id.map(|id| id.to_string()), Some(A.to_owned()));
            prop_assert_eq!(jar.session.id.map(|id| id.to_string()), Some(B.to_owned()));
        }
    }
}
