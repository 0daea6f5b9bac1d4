//! What becomes of the bytes of request heads: followed line by line, changed where they must be.

use memchr::{memchr, memchr_iter};

use super::head::REFUSED;
use super::limits;

/// As much of a line as tells what it is: `transfer-encoding:`, `content-length:` and a value.
const TELLING: usize = 64;

/// What stands beside the target in a request line at most: method, version, two spaces, an end of line.
const METHOD: usize = 32;

/// Follows the lines of one request head after the other. From the first body in chunks on everything
/// passes: what is a head then is the parser's to say, and the connection ends with that answer.
#[derive(Default)]
pub(super) struct Mender {
    place: Place,
    /// The first bytes of the line that we are in.
    line: Vec<u8>,
    last: u8,
    held: bool,
    /// Bytes of the request line that were let through.
    passed: usize,
    /// Spaces in the request line so far: the target stands between the first and the second.
    spaces: usize,
    body: Body,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    RequestLine,
    Fields,
    /// In a body of which so many bytes are left.
    Body(u64),
    Through,
}

/// What a head says so far about the body after it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    Length(u64),
    Chunked,
    /// Something that can be understood in two ways.
    Unclear,
}

impl Mender {
    /// `bytes` as the parser shall see them; None when they can stay as they are.
    pub(super) fn mend(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        if self.is_between_requests() && is_plain(bytes) {
            self.last = b'\n';
            return None;
        }
        let mut mended: Option<Vec<u8>> = None;
        let (all, mut done) = (bytes, 0);
        while !bytes.is_empty() && self.place != Place::Through {
            let (part, rest) = bytes.split_at(self.part_of(bytes));
            let changed = self.follow(part);
            if changed.is_some() && mended.is_none() {
                mended = Some(all[..done].to_vec());
            }
            if let Some(out) = &mut mended {
                out.extend_from_slice(changed.as_deref().unwrap_or(part));
            }
            done += part.len();
            bytes = rest;
        }
        if let Some(out) = &mut mended {
            out.extend_from_slice(bytes);
        }
        mended
    }

    pub(super) fn is_between_requests(&self) -> bool {
        self.place == Place::RequestLine && self.line.is_empty() && !self.held && self.body == Body::None
    }

    /// How much of `bytes` is one thing: what is left of a body, or of a line.
    fn part_of(&self, bytes: &[u8]) -> usize {
        match self.place {
            Place::Body(left) => usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len())),
            _ => memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1),
        }
    }

    /// Takes a part of a body, a line or a part of one; gives it back when it must change. A CR that may
    /// belong to the end of a head is held back until what comes next tells whether the head is refused.
    fn follow(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        if let Place::Body(left) = self.place {
            let left = left.saturating_sub(part.len() as u64);
            self.place = if left == 0 { Place::RequestLine } else { Place::Body(left) };
            return None;
        }
        if self.place == Place::Fields && self.line.is_empty() && part == b"\r" && !self.held {
            self.held = true;
            return Some(Vec::new());
        }
        if std::mem::take(&mut self.held) {
            let whole = [b"\r", part].concat();
            return Some(self.take_line(&whole).unwrap_or(whole));
        }
        self.take_line(part)
    }

    fn take_line(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let telling = part.len().min(TELLING - self.line.len());
        self.line.extend_from_slice(&part[..telling]);
        let is_bare = ends_bare(part, self.last);
        self.last = part.last().copied().unwrap_or(self.last);
        if is_bare {
            self.body = Body::Unclear;
        }
        let mut changed = match self.place {
            Place::RequestLine => self.request_line(part),
            _ => None,
        };
        if is_bare {
            let line = changed.get_or_insert_with(|| part.to_vec());
            line.insert(line.len() - 1, b'\r');
        }
        if self.last == b'\n' && self.end_line() {
            return Some([REFUSED.as_str().as_bytes(), b": framing\r\n\r\n"].concat());
        }
        changed
    }

    /// Encodes what no target may hold, and drops what is over the limit of a target.
    fn request_line(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let spaces = memchr_iter(b' ', part).count();
        let fits = self.passed + part.len() <= METHOD + limits::TARGET;
        if fits && !part.iter().any(|&byte| is_unsafe(byte)) {
            (self.spaces, self.passed) = (self.spaces + spaces, self.passed + part.len());
            return None;
        }
        let mut out = Vec::with_capacity(part.len() + 16);
        for &byte in part {
            self.spaces += usize::from(byte == b' ');
            let (in_target, before) = (self.spaces == 1, out.len());
            match byte {
                b'\r' | b'\n' => out.push(byte),
                _ if self.spaces < 2 && self.passed > METHOD + limits::TARGET => {}
                _ if in_target && is_unsafe(byte) => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
                _ => out.push(byte),
            }
            self.passed += out.len() - before;
        }
        Some(out)
    }

    /// Ends a line; whether it ends a head that is to be refused.
    fn end_line(&mut self) -> bool {
        let blank = matches!(self.line.as_slice(), b"\r\n" | b"\n");
        self.body = self.body.and(&self.line);
        let mut is_refused = false;
        self.place = match (self.place, self.body) {
            (Place::RequestLine, _) if !blank => Place::Fields,
            (Place::Fields, body) if blank => {
                is_refused = body == Body::Unclear;
                self.body = Body::None;
                match body {
                    Body::None | Body::Length(0) => Place::RequestLine,
                    Body::Length(length) => Place::Body(length),
                    Body::Chunked | Body::Unclear => Place::Through,
                }
            }
            (same, _) => same,
        };
        (self.passed, self.spaces) = (0, 0);
        self.line.clear();
        is_refused
    }
}

impl Body {
    /// What is known after one more line of the head.
    fn and(self, line: &[u8]) -> Self {
        let colon = memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let told = if name.eq_ignore_ascii_case(b"content-length") {
            // A line that was cut at `TELLING` may go on with more digits.
            let digits = Some(value).filter(|value| line.ends_with(b"\n") && value.iter().all(u8::is_ascii_digit));
            let length = digits.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
            length.map_or(Self::Unclear, Self::Length)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if value.eq_ignore_ascii_case(b"chunked") { Self::Chunked } else { Self::Unclear }
        } else {
            return self;
        };
        if self == Self::None { told } else { Self::Unclear }
    }
}

/// Whether `bytes` are one whole head without a body, in which nothing is to be changed: what nearly every read gives.
fn is_plain(bytes: &[u8]) -> bool {
    let mut begin = 0;
    for end in memchr_iter(b'\n', bytes) {
        let line = &bytes[begin..=end];
        let good = match line {
            b"\r\n" => return begin > 0 && end + 1 == bytes.len(),
            // All of the request line, without leaving early: that is faster than to look at byte after byte.
            _ if begin == 0 => end < limits::TARGET && !line.iter().fold(false, |found, &byte| found | is_unsafe(byte)),
            [b'c' | b'C' | b't' | b'T', ..] => Body::None.and(line) == Body::None,
            _ => true,
        };
        if !good || !line.ends_with(b"\r\n") {
            return false;
        }
        begin = end + 1;
    }
    false
}

/// Whether `part` ends with an LF that no CR stands before.
fn ends_bare(part: &[u8], before: u8) -> bool {
    match part {
        [b'\n'] => before != b'\r',
        [.., before, b'\n'] => *before != b'\r',
        _ => false,
    }
}

fn is_unsafe(byte: u8) -> bool {
    matches!(byte, b'<' | b'>' | b'"' | 0x80..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::string::string_regex;

    use super::*;

    /// What the parser sees of `wire`, read in pieces of `size`.
    fn seen(wire: &[u8], size: usize) -> Vec<u8> {
        let mut mender = Mender::default();
        wire.chunks(size.max(1)).flat_map(|chunk| mender.mend(chunk).unwrap_or_else(|| chunk.to_vec())).collect()
    }

    #[test]
    fn targets_are_mended_and_nothing_else() {
        for (wire, mended) in [
            (
                "GET /c/T> HTTP/1.1\r\nHost: x\r\nA: \"<>\"\r\n\r\n",
                "GET /c/T%3E HTTP/1.1\r\nHost: x\r\nA: \"<>\"\r\n\r\n",
            ),
            ("HEAD /?a=\"é`\" HTTP/1.1\r\n\r\n", "HEAD /?a=%22%C3%A9`%22 HTTP/1.1\r\n\r\n"),
            (
                "\r\nGET /< HTTP/1.1\r\n\r\nGET /> HTTP/1.1\r\n\r\n",
                "\r\nGET /%3C HTTP/1.1\r\n\r\nGET /%3E HTTP/1.1\r\n\r\n",
            ),
            ("G<T /< HTTP/1.1\r\n\r\n", "G<T /%3C HTTP/1.1\r\n\r\n"),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(String::from_utf8_lossy(&seen(wire.as_bytes(), size)), mended, "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn a_plain_head_is_told_from_all_others() {
        assert!(
            is_plain(b"GET /c/T HTTP/1.1\r\nHost: x\r\nCookie: a\r\nTE: x\r\n\r\n")
                && is_plain(b"GET / HTTP/1.1\r\n\r\n")
        );
        for other in [
            "",
            "\r\n",
            "GET / HTTP/1.1\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\r",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "\r\nGET / HTTP/1.1\r\n\r\n",
            "GET /> HTTP/1.1\r\n\r\n",
            "GET /é HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert!(!is_plain(other.as_bytes()), "{other:?}");
        }
        assert!(!is_plain(format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(limits::TARGET)).as_bytes()));
    }

    #[test]
    fn what_can_be_understood_in_two_ways_is_marked() {
        for head in [
            "GET / HTTP/1.1\nHost: x\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0000000000000000000000000000000000000000000000000005\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let seen = String::from_utf8(seen(head.as_bytes(), size)).unwrap();
                assert!(seen.ends_with("\r\nx-reaid-refused: framing\r\n\r\n"), "{head:?} by {size}: {seen:?}");
                assert!(!seen.replace("\r\n", "").contains('\n'), "{seen:?}");
            }
        }
    }

    #[test]
    fn a_body_is_not_touched_and_the_head_after_it_is() {
        for (wire, mended) in [
            ("POST /hooks HTTP/1.1\r\nContent-Length: 11\r\n\r\n{\"a\":\"<>\"}\n", None),
            (
                "GET / HTTP/1.1\r\ncontent-Length: 3\r\n\r\n<\">GET /> HTTP/1.1\r\n\r\n",
                Some("GET / HTTP/1.1\r\ncontent-Length: 3\r\n\r\n<\">GET /%3E HTTP/1.1\r\n\r\n"),
            ),
            ("GET / HTTP/1.1\r\nTRANSFER-encoding: chunked\r\n\r\n3\n<\">\r\n0\r\n\r\n", None),
            ("\u{16}\u{3}\u{1}<>", None),
        ] {
            for size in [1, 5, 1000] {
                assert_eq!(String::from_utf8_lossy(&seen(wire.as_bytes(), size)), mended.unwrap_or(wire), "by {size}");
            }
        }
    }

    #[test]
    fn a_target_over_the_limit_is_cut_just_above_it() {
        for long in [limits::TARGET + 200, 100_000] {
            let wire = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(long));
            for size in [7, 4096, 200_000] {
                let seen = String::from_utf8(seen(wire.as_bytes(), size)).unwrap();
                let target = seen.strip_prefix("GET ").unwrap().split(' ').next().unwrap();
                assert!((limits::TARGET + 1..limits::TARGET + 2 * METHOD).contains(&target.len()), "{}", target.len());
                assert!(seen.ends_with("a HTTP/1.1\r\nHost: x\r\n\r\n"));
            }
        }
        let just = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(limits::TARGET - 1));
        assert_eq!(seen(just.as_bytes(), 1000), just.as_bytes());
    }

    /// One request or two, with lengths that may or may not be those of what follows.
    fn requests() -> impl Strategy<Value = String> {
        let line = "(GET|HEAD|POST|PUT) /[ -~é]{0,20} HTTP/1.1\r?\n";
        let fields =
            "((content-length|Content-Length): [0-9]{1,2}|transfer-encoding: chunked|[a-zA-Z-]{1,20}: [ -~]{0,9})\r?\n";
        string_regex(&format!("({line}({fields}){{0,3}}\r\n[ -~\r\n]{{0,20}}){{1,2}}")).unwrap()
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(wire in requests(), size in 1usize..50) {
            prop_assert_eq!(seen(wire.as_bytes(), size), seen(wire.as_bytes(), wire.len()));
        }

        #[test]
        fn a_clean_head_costs_no_copy(target in "/[!#-;=?-_a-~]{0,30}", value in "[ -~]{0,20}") {
            let wire = format!("GET {target} HTTP/1.1\r\nUser-Agent: {value}\r\n\r\n");
            prop_assert_eq!(Mender::default().mend(wire.as_bytes()), None);
        }
    }
}
