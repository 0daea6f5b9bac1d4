//! The first bytes of HTTP/2 (RFC 9113, 3.4), read before anything is set up for the connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection whose preface was read, and is read once more.
pub(super) struct Begun<S> {
    stream: S,
    given: usize,
}

/// Waits for the preface; None when something else comes.
pub(super) async fn read<S: AsyncRead + Unpin>(mut stream: S) -> Option<Begun<S>> {
    let mut begin = [0; PREFACE.len()];
    stream.read_exact(&mut begin).await.ok()?;
    (begin == *PREFACE).then_some(Begun { stream, given: 0 })
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let left = PREFACE.get(self.given..).unwrap_or_default();
        if left.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let fits = left.len().min(buf.remaining());
        buf.put_slice(&left[..fits]);
        self.given += fits;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_preface_is_read_twice_and_nothing_else_passes() {
        let wire = [PREFACE.as_slice(), b"and more"].concat();
        let mut begun = read(wire.as_slice()).await.unwrap();
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, wire);
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice()).await.is_none());
        assert!(read(b"PRI * HTTP/2.0\r\n".as_slice()).await.is_none());
    }
}
