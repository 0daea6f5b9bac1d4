//! The first bytes of HTTP/2 (RFC 9113, 3.4), read before anything is set up for the connection.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, join, split};

const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Waits for the preface, and gives the stream with it, to be read once more; None when something else comes.
pub(super) async fn read<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
) -> Option<impl AsyncRead + AsyncWrite + Unpin + use<S>> {
    let mut begin = [0; PREFACE.len()];
    stream.read_exact(&mut begin).await.ok()?;
    let (reader, writer) = split(stream);
    (begin == *PREFACE).then(|| join(PREFACE.chain(reader), writer))
}

#[cfg(test)]
mod tests {
    use tokio::io::sink;

    use super::*;

    #[tokio::test]
    async fn the_preface_is_read_twice_and_nothing_else_passes() {
        let read = |wire| read(join(wire, sink()));
        let wire = [PREFACE.as_slice(), b"and more"].concat();
        let mut begun = read(wire.as_slice()).await.unwrap();
        let mut all = Vec::new();
        begun.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, wire);
        assert!(read(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".as_slice()).await.is_none());
        assert!(read(b"PRI * HTTP/2.0\r\n".as_slice()).await.is_none());
    }
}
