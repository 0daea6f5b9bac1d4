//! The names that we know ourselves, each a part of a `User-Agent` in any case. The crawlers of the world are
//! on another list; these are the programs around e-mail that it does not have, or has as something else.

use crate::tracking::Agent;

/// Mail services that load images for their readers: real opens.
const PROXIES: [&str; 10] = [
    "imageproxy",
    "image-proxy",
    "image proxy",
    "mailproxy",
    "mail-proxy",
    "mail proxy",
    "emailproxy",
    "email-proxy",
    "applemailprivacy",
    "camo asset proxy",
];

/// Programs in which people read: the list of crawlers has some of them as libraries. (`cfnetwork/` are apps on
/// Apple's systems.)
const READERS: [&str; 27] = [
    "microsoft outlook",
    "microsoft office outlook",
    "ms-office",
    "macoutlook",
    "outlook-ios",
    "outlook-android",
    "outlook-express",
    "thunderbird/",
    "cfnetwork/",
    "yahoomobilemail/",
    "opera mini",
    "fban/",
    "slack_ssb/",
    "airmail",
    "polymail",
    "mailspring",
    "mailbird",
    "mailbar/",
    "em client",
    "emclient",
    "samsung email",
    "lotus-notes",
    "postbox/",
    "the bat!",
    "evolution/",
    "kmail",
    "superhuman",
];

/// Machines that name a program of people, too.
const DISGUISED: [&str; 2] = ["webcrawler", "link preview"];

/// Link scanners of mail gateways, and what any machine is called that nobody has listed yet.
const MACHINES: [&str; 43] = [
    "bingpreview",
    "skypeuripreview",
    "safelinks",
    "urldefense",
    "proofpoint",
    "barracuda",
    "mimecast",
    "symantec",
    "messagelabs",
    "trendmicro",
    "trend micro",
    "fortiguard",
    "fortinet",
    "zscaler",
    "cloudmark",
    "sophos",
    "forcepoint",
    "bitdefender",
    "microsoft-atp",
    "virustotal",
    "urlscan",
    "hornetsecurity",
    "retarus",
    "linkcheck",
    "watchtowr",
    // How those who crawl say where to read about it.
    "+http",
    "scanner",
    "bot/",
    "bot;",
    "bot)",
    "bot-",
    "robot",
    "crawler",
    "spider",
    "headlesschrome",
    "phantomjs",
    "facebookexternalhit",
    "python-",
    "go-http-client",
    "curl/",
    "wget/",
    "okhttp",
    "reaid/",
];

/// All of them with their classes; where several are in a name, the first decides.
pub(super) fn known<'a>() -> impl Iterator<Item = (&'a str, Agent)> {
    let of = |words: &'static [&'static str], class| words.iter().map(move |word| (*word, class));
    let people = of(&DISGUISED, Agent::Bot).chain(of(&READERS, Agent::Human));
    of(&PROXIES, Agent::Proxy).chain(people).chain(of(&MACHINES, Agent::Bot))
}
