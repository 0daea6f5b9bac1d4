//! What kind of program asks. A label, never a gate: everybody is redirected alike.

use http::request::Parts;
use http::{HeaderMap, Method, header};

use crate::tracking::Agent;

/// Mail services that load images for their readers: real opens.
const PROXIES: [&str; 6] = [
    "googleimageproxy",
    "yahoomailproxy",
    "yahoo! mail proxy",
    "applemailprivacy",
    "outlookimageproxy",
    "seznam-emailproxy",
];

/// Crawlers, link scanners and libraries.
const BOTS: [&str; 40] = [
    "bot/",
    "bot;",
    "bot)",
    "bot-",
    "robot",
    "crawler",
    "spider",
    "slurp",
    "scanner",
    "preview",
    "facebookexternalhit",
    "facebot",
    "whatsapp",
    "slack-img",
    "skypeuripreview",
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "urldefense",
    "symantec",
    "trendmicro",
    "fortiguard",
    "zscaler",
    "headlesschrome",
    "phantomjs",
    "curl/",
    "wget/",
    "python-",
    "python/",
    "aiohttp",
    "go-http-client",
    "java/",
    "apache-httpclient",
    "okhttp",
    "libwww",
    "ruby",
    "axios",
    "node-fetch",
    "reaid/",
];

/// The class of whoever sent a request.
pub(super) fn classify(request: &Parts) -> Agent {
    if is_prefetch(&request.headers) {
        return Agent::Prefetch;
    }
    if request.method == Method::HEAD {
        return Agent::Bot;
    }
    let Some(agent) = request.headers.get(header::USER_AGENT).filter(|agent| !agent.is_empty()) else {
        return Agent::Unknown;
    };
    let agent = agent.as_bytes().to_ascii_lowercase();
    let names = |words: &[&str]| words.iter().any(|word| memchr::memmem::find(&agent, word.as_bytes()).is_some());
    if names(&PROXIES) {
        Agent::Proxy
    } else if names(&BOTS) || agent.ends_with(b"bot") {
        Agent::Bot
    } else {
        Agent::Human
    }
}

/// Browsers say when they fetch a page that nobody asked for yet.
fn is_prefetch(headers: &HeaderMap) -> bool {
    ["purpose", "sec-purpose", "x-moz"].iter().any(|name| {
        headers.get(*name).is_some_and(|value| {
            let value = value.as_bytes().to_ascii_lowercase();
            memchr::memmem::find(&value, b"prefetch").is_some()
                || memchr::memmem::find(&value, b"prerender").is_some()
                || memchr::memmem::find(&value, b"preview").is_some()
        })
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn class(method: &str, headers: &[(&str, &str)]) -> Agent {
        let mut request = Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        classify(&request.body(()).unwrap().into_parts().0)
    }

    const FIREFOX: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

    #[test]
    fn agents_are_told_apart() {
        for (method, headers, expected) in [
            ("GET", vec![FIREFOX], Agent::Human),
            (
                "GET",
                vec![("user-agent", "Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 40) Chrome/140 Mobile")],
                Agent::Human,
            ),
            ("HEAD", vec![FIREFOX], Agent::Bot),
            (
                "GET",
                vec![("user-agent", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")],
                Agent::Bot,
            ),
            ("GET", vec![("user-agent", "curl/8.5")], Agent::Bot),
            ("GET", vec![("user-agent", "Mozilla/5.0 (via ggpht.com GoogleImageProxy)")], Agent::Proxy),
            ("GET", vec![FIREFOX, ("sec-purpose", "prefetch;prerender")], Agent::Prefetch),
            ("GET", vec![FIREFOX, ("purpose", "prefetch")], Agent::Prefetch),
            ("HEAD", vec![FIREFOX, ("x-moz", "prefetch")], Agent::Prefetch),
            ("GET", vec![], Agent::Unknown),
            ("GET", vec![("user-agent", "")], Agent::Unknown),
        ] {
            assert_eq!(class(method, &headers), expected, "{method} {headers:?}");
        }
    }
}
