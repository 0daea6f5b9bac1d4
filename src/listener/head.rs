//! Request heads as they come over the wire, before hyper's parser sees them.
//!
//! Three things are mended here because nothing behind the parser can: raw bytes in the target of a `GET`
//! or `HEAD` that no URL may hold (`<`, `>`, `"`, non-ASCII), which mail programs and gateways leave
//! there, are percent-encoded as a browser would have done, so that the click lands; a line that
//! ends without CR, which hyper accepts and RFC 9112 allows to refuse, becomes one that it refuses; and
//! so does the second line of a head that tells the length of its body twice, by `Content-Length` and by
//! `Transfer-Encoding`: hyper would drop the first and pass on what another server may cut elsewhere.
//!
//! A body of so many bytes is stepped over. One in chunks is not: [`is_last`] ends the connection after it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{HeaderMap, header};
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As much of a line as tells what it is: `Content-Length:` with 20 digits, and room for spaces between.
const TELLING: usize = 48;

/// What the LF of a line becomes that is to be refused: a byte that no head may hold.
const REFUSED: u8 = 0;

/// Whether nobody can follow where the next head begins, so that there must be none.
pub(super) fn is_last(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
}

/// A connection whose request heads are mended on the way in.
pub(super) struct MendedHeads<S> {
    stream: S,
    mender: Mender,
    /// What was mended and did not fit.
    left: Vec<u8>,
}

impl<S> MendedHeads<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, mender: Mender::default(), left: Vec::new() }
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let fits = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left[..fits]);
        self.left.drain(..fits);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MendedHeads<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.left.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            match self.mender.mend(&buf.filled()[before..]) {
                None => return Poll::Ready(Ok(())),
                Some(mended) => self.left = mended,
            }
            buf.set_filled(before);
        }
        self.give(buf);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MendedHeads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Follows the lines of one request head after the other. After a head whose body has no length that can be
/// counted, everything passes: what is a head then is the parser's to say.
#[derive(Default)]
struct Mender {
    place: Place,
    /// The first bytes of the line that we are in.
    line: Vec<u8>,
    last: u8,
    /// Of the head that we are in: what it says of its body.
    body: Body,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    RequestLine,
    Fields,
    /// In a body that has this many bytes left.
    Body(u64),
    Through,
}

/// What a head says of the body behind it.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Body {
    #[default]
    None,
    /// This many bytes.
    Counted(u64),
    /// Chunks.
    Uncounted,
}

impl Mender {
    /// `bytes` as the parser shall see them; None when they can stay as they are.
    fn mend(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
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

    /// How many of these bytes belong together: a line, or what a body has of them.
    fn part_of(&self, bytes: &[u8]) -> usize {
        match self.place {
            Place::Body(left) => usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len())),
            _ => memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1),
        }
    }

    /// Takes a line or a part of one; gives it back when it must change.
    fn follow(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        if let Place::Body(left) = self.place {
            self.place = after(left - part.len() as u64);
            self.last = 0;
            return None;
        }
        let telling = part.len().min(TELLING - self.line.len());
        self.line.extend_from_slice(&part[..telling]);
        let in_target = self.place == Place::RequestLine;
        if in_target && !self.may_be_a_request() {
            self.place = Place::Through;
            return None;
        }
        let mends_target = in_target && self.may_be_a_click();
        let mut refused = ends_bare(part, self.last);
        self.last = part.last().copied().unwrap_or(self.last);
        if self.last == b'\n' {
            refused |= !self.end_line();
        }
        let unsafe_target = mends_target && part.iter().any(|&byte| is_unsafe(byte));
        (refused || unsafe_target).then(|| encode(part, mends_target, refused))
    }

    /// Whether this may be the beginning of a request line, with empty lines before it.
    fn may_be_a_request(&self) -> bool {
        self.is_blank() || self.line.first().is_some_and(u8::is_ascii_alphabetic)
    }

    fn may_be_a_click(&self) -> bool {
        [b"GET ".as_slice(), b"HEAD "].iter().any(|it| self.line.starts_with(it) || it.starts_with(&self.line))
    }

    fn is_blank(&self) -> bool {
        matches!(self.line.as_slice(), [] | b"\r" | b"\n" | b"\r\n")
    }

    /// Whether the line that ends here may stand in its head.
    fn end_line(&mut self) -> bool {
        let (blank, line) = (self.is_blank(), std::mem::take(&mut self.line));
        match self.place {
            Place::RequestLine if !blank => self.place = Place::Fields,
            Place::Fields if blank => {
                self.place = match std::mem::take(&mut self.body) {
                    Body::None => Place::RequestLine,
                    Body::Counted(bytes) => after(bytes),
                    Body::Uncounted => Place::Through,
                };
            }
            Place::Fields => return self.note_framing(&line),
            Place::RequestLine | Place::Body(_) | Place::Through => {}
        }
        true
    }

    /// Remembers what a field says of the body; whether it does not contradict another one.
    fn note_framing(&mut self, line: &[u8]) -> bool {
        let said = if names(line, b"transfer-encoding:") {
            Body::Uncounted
        } else if names(line, b"content-length:") {
            // One that cannot be read is refused here, so that nobody reads it differently.
            let Some(length) = length_in(line) else { return false };
            Body::Counted(length)
        } else {
            return true;
        };
        let alone = self.body == Body::None || self.body == said;
        self.body = said;
        alone
    }
}

fn names(line: &[u8], name: &[u8]) -> bool {
    line.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name))
}

/// The number in a whole line of `Content-Length`.
fn length_in(line: &[u8]) -> Option<u64> {
    let value = std::str::from_utf8(line.split(|&byte| byte == b':').nth(1)?).ok()?;
    let digits = value.strip_suffix("\r\n")?.trim_matches([' ', '\t']);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn after(left: u64) -> Place {
    if left == 0 { Place::RequestLine } else { Place::Body(left) }
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

fn encode(part: &[u8], is_target: bool, refused: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len() + 16);
    for &byte in part {
        match byte {
            b'\n' if refused => out.push(REFUSED),
            byte if is_target && is_unsafe(byte) => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
            byte => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::AsyncReadExt as _;

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
            ("GET / HTTP/1.1\nHost: x\r\n\r\n", "GET / HTTP/1.1\0Host: x\r\n\r\n"),
            ("GET / HTTP/1.1\r\nHost: x\n\r\n", "GET / HTTP/1.1\r\nHost: x\0\r\n"),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                assert_eq!(String::from_utf8_lossy(&seen(wire.as_bytes(), size)), mended, "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn what_may_be_a_body_is_not_touched() {
        for wire in [
            "POST /hooks HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"a\":\"<>\"}\n",
            "GET / HTTP/1.1\r\ncontent-Length: 3\r\n\r\n<\">",
            "POST /<> HTTP/1.1\r\nContent-Length:  2 \r\nContent-Length:2\r\n\r\n\n\n\r\nPUT / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nTRANSFER-encoding: chunked\r\n\r\n3\r\n<\">\r\n0\r\n\r\n",
            "\u{16}\u{3}\u{1}<>",
        ] {
            for size in [1, 5, 1000] {
                assert_eq!(seen(wire.as_bytes(), size), wire.as_bytes(), "{wire:?} by {size}");
            }
        }
    }

    #[test]
    fn a_head_that_tells_its_length_twice_or_strangely_is_refused_wherever_it_stands() {
        let (length, chunks) = ("Content-Length: 5\r\n", "TRANSFER-ENCODING: chunked\r\n");
        let after_others = ["", "GET / HTTP/1.1\r\n\r\n", "POST /x HTTP/1.1\r\nContent-Length: 3\r\n\r\n\n\n\n"];
        for before in after_others {
            for fields in [
                [length, chunks].concat(),
                [chunks, "A: b\r\n", length].concat(),
                [length, "content-length: 6\r\n"].concat(),
                "Content-Length: +5\r\n".to_owned(),
                "Content-Length: \r\n".to_owned(),
                format!("Content-Length:{}5\r\n", " ".repeat(TELLING)),
            ] {
                let wire = format!("{before}POST /hooks HTTP/1.1\r\n{fields}\r\nhello");
                for size in [1, 2, 7, 1000] {
                    let seen = seen(wire.as_bytes(), size);
                    assert_eq!(seen.iter().filter(|&&byte| byte == REFUSED).count(), 1, "{wire:?} by {size}");
                }
            }
        }
    }

    #[test]
    fn heads_after_a_counted_body_are_mended() {
        let wire = "POST /hooks HTTP/1.1\r\nContent-Length: 9\r\n\r\n{\"a\":\"<>\"}";
        let (length, then) = (wire.len() - 1, "GET /> HTTP/1.1\r\n\r\n");
        let wire = format!("{}{then}", &wire[..length]);
        for size in [1, 5, 1000] {
            let seen = String::from_utf8(seen(wire.as_bytes(), size)).unwrap();
            assert!(seen.ends_with("<>\"GET /%3E HTTP/1.1\r\n\r\n"), "{seen:?}");
        }
    }

    #[tokio::test]
    async fn a_reader_with_little_room_gets_all_of_it() {
        let wire = "GET /<<<<<<<< HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut heads = MendedHeads::new(wire.as_bytes());
        let (mut all, mut small) = (Vec::new(), [0; 5]);
        while let Ok(read @ 1..) = heads.read(&mut small).await {
            all.extend_from_slice(&small[..read]);
        }
        assert_eq!(String::from_utf8(all).unwrap(), wire.replace('<', "%3C"));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(wire in "(GET|HEAD|POST|PUT) /[ -~é]{0,20} HTTP/1.1\r?\n([a-zA-Z-]{1,20}: [ -~]{0,9}\r?\n){0,3}\r\n[ -~\r\n]{0,20}", size in 1usize..50) {
            prop_assert_eq!(seen(wire.as_bytes(), size), seen(wire.as_bytes(), wire.len()));
        }

        #[test]
        fn a_clean_head_costs_no_copy(target in "/[!#-;=?-_a-~]{0,30}", value in "[ -~]{0,20}") {
            let wire = format!("GET {target} HTTP/1.1\r\nUser-Agent: {value}\r\n\r\n");
            prop_assert_eq!(Mender::default().mend(wire.as_bytes()), None);
        }
    }
}
