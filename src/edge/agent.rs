//! What kind of program asks. A label, never a gate: everybody is redirected alike.

mod words;

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, header};

use super::remembered::Remembered;
use crate::tracking::Agent;

/// As much of a `User-Agent` as is looked at: the longest in the lists that we test with has 600 bytes.
const LOOKED_AT: usize = 1024;

/// What Apple's Mail Privacy Protection calls itself when it loads images ahead: this and nothing more.
const APPLE_PRIVACY: &[u8] = b"Mozilla/5.0";

/// Knows the names of programs; made once.
#[derive(Debug)]
pub struct Agents {
    words: AhoCorasick,
    /// The class of each word; the first word among those found decides.
    classes: Vec<Agent>,
    /// Tells what was remembered of these from what was remembered of others.
    identity: Arc<()>,
}

/// Parts of names that an operator adds, in any case. They go before those that we know.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnAgents<'a> {
    /// People after all.
    pub human: &'a [String],
    /// Image proxies of mail services.
    pub proxy: &'a [String],
    /// Machines.
    pub bot: &'a [String],
}

/// Names that are too many to look for.
#[derive(Debug, thiserror::Error)]
#[error("the names of agents cannot be compiled: {0}")]
pub struct AgentsError(#[from] aho_corasick::BuildError);

impl Agents {
    /// Knows our own words, the operator's, and the crawlers of the `iscrawl` crate's list.
    ///
    /// # Errors
    /// There are too many of them.
    pub fn new(own: OwnAgents<'_>) -> Result<Self, AgentsError> {
        let operator = [(Agent::Human, own.human), (Agent::Proxy, own.proxy), (Agent::Bot, own.bot)];
        let mut all: Vec<(&str, Agent)> = Vec::new();
        for (class, words) in operator {
            all.extend(words.iter().map(|word| (word.as_str(), class)));
        }
        all.extend(words::known());
        let (words, classes): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        let mut builder = AhoCorasick::builder();
        let words = builder.ascii_case_insensitive(true).kind(Some(AhoCorasickKind::DFA)).build(words)?;
        // The list is compiled at its first use: now, and not while somebody waits for a page.
        let _ = iscrawl::crawler_info("");
        Ok(Self { words, classes, identity: Arc::default() })
    }

    /// The class of whoever sent a request.
    pub(super) fn classify(&self, request: &Parts) -> Agent {
        if is_prefetch(&request.headers) {
            return Agent::Prefetch;
        }
        if request.method == Method::HEAD {
            return Agent::Bot;
        }
        match request.headers.get(header::USER_AGENT) {
            Some(name) if !name.is_empty() => self.named(name.as_bytes()),
            _ => Agent::Unknown,
        }
    }

    /// The class of a program that calls itself `name`.
    pub fn named(&self, name: &[u8]) -> Agent {
        let name = &name[..name.len().min(LOOKED_AT)];
        CLASSES.with_borrow_mut(|classes| {
            classes.get(&self.identity, name).unwrap_or_else(|| {
                let class = self.look_up(name);
                classes.put(name.into(), class);
                class
            })
        })
    }

    fn look_up(&self, name: &[u8]) -> Agent {
        if name == APPLE_PRIVACY {
            return Agent::Proxy;
        }
        let found = self.words.find_overlapping_iter(name).map(|found| found.pattern().as_usize()).min();
        match found.and_then(|word| self.classes.get(word)) {
            Some(class) => *class,
            None if is_listed(name) => Agent::Bot,
            None => Agent::Human,
        }
    }
}

/// Names remembered for each thread: browsers are few, and a name is at most [`LOOKED_AT`] bytes.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

thread_local! {
    /// The class of each name: looking takes a microsecond. Read and written by its own thread alone.
    static CLASSES: RefCell<Remembered<(), Box<[u8]>, Agent>> = RefCell::new(Remembered::new(REMEMBERED));
}

/// Whether it is on the list of crawlers. (The crate's other function, `is_crawler`, guesses by a cache that goes by
/// the address of the text in memory: in a server, which uses memory again, it answers for somebody else.)
fn is_listed(name: &[u8]) -> bool {
    iscrawl::crawler_info(&String::from_utf8_lossy(name)).is_some()
}

static PURPOSES: [HeaderName; 3] =
    [HeaderName::from_static("purpose"), HeaderName::from_static("sec-purpose"), HeaderName::from_static("x-moz")];

/// Browsers say when they fetch a page that nobody asked for yet.
fn is_prefetch(headers: &HeaderMap) -> bool {
    PURPOSES.iter().any(|name| {
        headers.get(name).is_some_and(|value| {
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
        let agents = Agents::new(OwnAgents::default()).unwrap();
        agents.classify(&request.body(()).unwrap().into_parts().0)
    }

    const FIREFOX: (&str, &str) =
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0");

    #[test]
    fn agents_are_told_apart() {
        for (method, headers, expected) in [
            ("GET", vec![FIREFOX], Agent::Human),
            ("HEAD", vec![FIREFOX], Agent::Bot),
            ("GET", vec![FIREFOX, ("sec-purpose", "prefetch;prerender")], Agent::Prefetch),
            ("GET", vec![FIREFOX, ("purpose", "prefetch")], Agent::Prefetch),
            ("HEAD", vec![FIREFOX, ("x-moz", "prefetch")], Agent::Prefetch),
            ("GET", vec![], Agent::Unknown),
            ("GET", vec![("user-agent", "")], Agent::Unknown),
        ] {
            assert_eq!(class(method, &headers), expected, "{method} {headers:?}");
        }
    }

    #[test]
    fn names_are_told_apart() {
        let agents = Agents::new(OwnAgents::default()).unwrap();
        for (name, expected) in [
            ("Mozilla/5.0 (Linux; Android 13; CUBOT NOTE 40) Chrome/140 Mobile", Agent::Human),
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", Agent::Bot),
            ("Mozilla/5.0 (compatible; NeverHeardOfBot/9; +https://never.example)", Agent::Bot),
            ("curl/8.5", Agent::Bot),
            ("Mozilla/5.0 (via ggpht.com GoogleImageProxy)", Agent::Proxy),
            ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", Agent::Proxy),
            ("Mozilla/5.0", Agent::Proxy),
            ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140 Safari/537.36 BingPreview/1.0b", Agent::Bot),
            ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)", Agent::Human),
        ] {
            assert_eq!(agents.named(name.as_bytes()), expected, "{name}");
        }
        let long = [&[b'x'; 1 << 14], b"Googlebot/2.1".as_slice()].concat();
        assert_eq!(agents.named(&long), Agent::Human, "no more is looked at than the beginning");
        assert_eq!(agents.named(b"\xff\xfe Googlebot/2.1 \x80"), Agent::Bot);
    }

    #[test]
    fn an_operators_words_go_before_ours() {
        let words = |words: &[&str]| words.iter().map(|it| it.to_string()).collect::<Vec<_>>();
        let (human, proxy, bot) = (words(&["OwnApp/"]), words(&["ourproxy"]), words(&["gateway-9"]));
        let agents = Agents::new(OwnAgents { human: &human, proxy: &proxy, bot: &bot }).unwrap();
        assert_eq!(agents.named(b"curl/8 (ownapp/1)"), Agent::Human);
        assert_eq!(agents.named(b"Mozilla/5.0 OurProxy"), Agent::Proxy);
        assert_eq!(agents.named(b"Mozilla/5.0 (Gateway-9) GoogleImageProxy"), Agent::Bot);
    }
}
