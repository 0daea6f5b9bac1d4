//! Request heads as they come over the wire, before hyper's parser sees them.
//!
//! What nothing behind the parser can do is done here. Raw bytes in a request target that no URL may
//! hold (`<`, `>`, `"`, non-ASCII), which mail programs and gateways leave there, are percent-encoded
//! as a browser would have done, so that the click lands. What hyper lets pass or mends by itself and
//! RFC 9112 says to refuse (a line that ends without CR, a length told twice or in two ways) gets a
//! field that `admit` refuses. A target over its limit is cut just above it: it is refused for its
//! length, and not for the buffer that it would have filled.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::HeaderName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::alarm::Alarm;
use super::mender::Mender;

/// The field that makes [`admit`](super::admit) refuse. Whoever sends it is refused, too.
pub(super) static REFUSED: HeaderName = HeaderName::from_static("x-reaid-refused");

/// A connection whose request heads are mended on the way in.
pub(super) struct MendedHeads<S> {
    stream: S,
    mender: Mender,
    /// What was mended and did not fit.
    left: Vec<u8>,
    /// Whether all that was written has left.
    flushed: bool,
    /// Told whether anything is under way.
    alarm: Alarm,
}

impl<S> MendedHeads<S> {
    pub(super) fn new(stream: S, alarm: Alarm) -> Self {
        Self { stream, mender: Mender::default(), left: Vec::new(), flushed: true, alarm }
    }

    /// Waits until the next request begins; false when none comes.
    pub(super) async fn begins(&mut self) -> bool
    where
        S: AsyncRead + Unpin,
    {
        let mut first = [0];
        let begins = matches!(self.read(&mut first).await, Ok(1));
        if begins {
            self.left.insert(0, first[0]);
        }
        begins
    }

    fn tell(&self) {
        self.alarm.set_quiet(self.flushed && self.left.is_empty() && self.mender.is_between_requests());
    }

    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let fits = self.left.len().min(buf.remaining());
        buf.put_slice(&self.left[..fits]);
        self.left.drain(..fits);
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for MendedHeads<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // Nothing given would be the end, so what was read and dropped is read on.
        while self.left.is_empty() {
            let before = buf.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
            match self.mender.mend(&buf.filled()[before..]) {
                None => {
                    self.tell();
                    return Poll::Ready(Ok(()));
                }
                Some(mended) => self.left = mended,
            }
            buf.set_filled(before);
        }
        self.give(buf);
        self.tell();
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MendedHeads<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.flushed = false;
        self.tell();
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.flushed = true;
        self.tell();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.flushed = false;
        self.tell();
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    #[tokio::test]
    async fn a_reader_with_little_room_gets_all_of_it() {
        let wire = "GET /<<<<<<<< HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut heads = MendedHeads::new(wire.as_bytes(), Alarm::default());
        let (mut all, mut small) = (Vec::new(), [0; 5]);
        while let Ok(read @ 1..) = heads.read(&mut small).await {
            all.extend_from_slice(&small[..read]);
        }
        assert_eq!(String::from_utf8(all).unwrap(), wire.replace('<', "%3C"));
    }
}
