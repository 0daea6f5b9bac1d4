//! Request heads as they come over the wire, before hyper's parser sees them.
//!
//! Two things are mended here because nothing behind the parser can: raw bytes in a request target
//! that no URL may hold (`<`, `>`, `"`, non-ASCII), which mail programs and gateways leave
//! there, are percent-encoded as a browser would have done, so that the click lands; and a line that
//! ends without CR, which hyper accepts and RFC 9112 allows to refuse, becomes one that it refuses.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memchr::memchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// As much of a line as tells what it is: the longest name is `transfer-encoding:`.
const TELLING: usize = 18;

/// What a bare LF becomes: a byte that no head may hold.
const REFUSED: u8 = 0;

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

/// Follows the lines of one request head after the other. From the first request that has or may have
/// a body, everything passes: what is a head then is the parser's to say.
#[derive(Default)]
struct Mender {
    place: Place,
    /// The first bytes of the line that we are in.
    line: Vec<u8>,
    last: u8,
    has_body: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    RequestLine,
    Fields,
    Through,
}

impl Mender {
    /// `bytes` as the parser shall see them; None when they can stay as they are.
    fn mend(&mut self, mut bytes: &[u8]) -> Option<Vec<u8>> {
        let mut mended: Option<Vec<u8>> = None;
        let (all, mut done) = (bytes, 0);
        while !bytes.is_empty() && self.place != Place::Through {
            let end = memchr(b'\n', bytes).map_or(bytes.len(), |at| at + 1);
            let (part, rest) = bytes.split_at(end);
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

    /// Takes a line or a part of one; gives it back when it must change.
    fn follow(&mut self, part: &[u8]) -> Option<Vec<u8>> {
        let telling = part.len().min(TELLING - self.line.len());
        self.line.extend_from_slice(&part[..telling]);
        let was = self.place;
        if was == Place::RequestLine && !self.may_be_bodyless() {
            self.place = Place::Through;
            return None;
        }
        let bare = ends_bare(part, self.last);
        self.last = part.last().copied().unwrap_or(self.last);
        if self.last == b'\n' {
            self.end_line();
        }
        let unsafe_target = was == Place::RequestLine && part.iter().any(|&byte| is_unsafe(byte));
        (bare || unsafe_target).then(|| encode(part, was == Place::RequestLine, bare))
    }

    fn may_be_bodyless(&self) -> bool {
        let blank = matches!(self.line.as_slice(), [] | [b'\r'] | [b'\n', ..] | [b'\r', b'\n', ..]);
        blank || [b"GET ".as_slice(), b"HEAD "].iter().any(|it| self.line.starts_with(it) || it.starts_with(&self.line))
    }

    fn end_line(&mut self) {
        let blank = matches!(self.line.as_slice(), b"\r\n" | b"\n");
        let names = |name: &[u8]| self.line.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name));
        self.has_body |= names(b"content-length:") || names(b"transfer-encoding:");
        self.place = match self.place {
            Place::RequestLine if !blank => Place::Fields,
            Place::Fields if blank && self.has_body => Place::Through,
            Place::Fields if blank => Place::RequestLine,
            same => same,
        };
        self.line.clear();
    }
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

fn encode(part: &[u8], is_request_line: bool, bare: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(part.len() + 16);
    for &byte in part {
        match byte {
            b'\n' if bare => out.push(REFUSED),
            byte if is_request_line && is_unsafe(byte) => out.extend_from_slice(format!("%{byte:02X}").as_bytes()),
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
            "GET / HTTP/1.1\r\ncontent-Length: 3\r\n\r\n<\">\n\n",
            "GET / HTTP/1.1\r\nTRANSFER-encoding: chunked\r\n\r\n3\r\n<\">\r\n0\r\n\r\n",
            "\u{16}\u{3}\u{1}<>",
        ] {
            for size in [1, 5, 1000] {
                assert_eq!(seen(wire.as_bytes(), size), wire.as_bytes(), "{wire:?} by {size}");
            }
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
