//! What the header of a message or of one of its parts says about its body.
//!
//! `mail-parser` reads the fields: comments, folded lines, quoted and continued parameters.

use mail_parser::{ContentType, Header as Field, HeaderName, HeaderValue, MessageParser};

use super::transfer::Transfer;

/// What matters of a header.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// `type/subtype` in lower case; None when there is no such field.
    pub(super) media_type: Option<String>,
    /// The charset that it names.
    pub(super) charset: Option<String>,
    /// What separates its parts.
    pub(super) boundary: Option<String>,
    /// `format=flowed; delsp=yes`.
    pub(super) joins_lines: bool,
    /// How the body is encoded; None when that is unknown here.
    pub(super) transfer: Option<Transfer>,
    /// `Content-Disposition: attachment`.
    pub(super) is_attachment: bool,
    /// It has a file name.
    pub(super) has_name: bool,
    /// A signature over the body stands in the header.
    pub(super) is_sealed: bool,
    /// A digest of the body stands in the header.
    pub(super) has_digest: bool,
    /// A field that may come once comes twice, and readers disagree which counts.
    pub(super) is_ambiguous: bool,
}

impl Header {
    /// Reads a header, up to and including the empty line after it.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let parsed = MessageParser::new().with_mime_headers().parse_headers(bytes);
        let fields = parsed.as_ref().map_or(&[][..], |message| message.headers());
        let content_type = content_type(fields, &HeaderName::ContentType);
        let disposition = content_type_of(fields, &HeaderName::ContentDisposition);
        let parameter = |name: &str| content_type.and_then(|it| it.attribute(name)).map(str::to_owned);
        Self {
            media_type: content_type.map(media_type),
            charset: parameter("charset"),
            boundary: parameter("boundary").filter(|boundary| !boundary.is_empty()),
            joins_lines: parameter("format").is_some_and(|it| it.eq_ignore_ascii_case("flowed"))
                && parameter("delsp").is_some_and(|it| it.eq_ignore_ascii_case("yes")),
            transfer: transfer(fields),
            is_attachment: disposition.is_some_and(|it| it.ctype().eq_ignore_ascii_case("attachment")),
            has_name: parameter("name").is_some() || disposition.is_some_and(|it| it.has_attribute("filename")),
            is_sealed: fields.iter().any(|field| is_signature(&field.name)),
            has_digest: fields.iter().any(|field| field.name == HeaderName::ContentMd5),
            is_ambiguous: [HeaderName::ContentType, HeaderName::ContentTransferEncoding]
                .iter()
                .any(|name| fields.iter().filter(|field| field.name == *name).count() > 1),
        }
    }
}

fn content_type<'f>(fields: &'f [Field<'_>], name: &HeaderName<'_>) -> Option<&'f ContentType<'f>> {
    content_type_of(fields, name).filter(|it| it.subtype().is_some())
}

fn content_type_of<'f>(fields: &'f [Field<'_>], name: &HeaderName<'_>) -> Option<&'f ContentType<'f>> {
    fields.iter().find(|field| field.name == *name)?.value.as_content_type()
}

fn media_type(content_type: &ContentType<'_>) -> String {
    format!("{}/{}", content_type.ctype(), content_type.subtype().unwrap_or_default()).to_ascii_lowercase()
}

fn transfer(fields: &[Field<'_>]) -> Option<Transfer> {
    let field = fields.iter().find(|field| field.name == HeaderName::ContentTransferEncoding);
    match field.map(|field| &field.value) {
        None | Some(HeaderValue::Empty) => Some(Transfer::Lines),
        Some(value) => Transfer::named(value.as_text()?),
    }
}

fn is_signature(name: &HeaderName<'_>) -> bool {
    matches!(
        name,
        HeaderName::DkimSignature | HeaderName::Dkim2Signature | HeaderName::ArcMessageSignature | HeaderName::ArcSeal
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_is_written() {
        let header = Header::read(
            b"Subject: x\r\nContent-type: (a comment) Text/HTML;\r\n\tCharset=\"iso-8859-1\"; name*0=a; name*1=b\r\n\
              CONTENT-TRANSFER-ENCODING: Quoted-Printable \r\nDKIM-Signature: v=1\r\n\r\n",
        );
        assert_eq!(header.media_type.as_deref(), Some("text/html"));
        assert_eq!(header.charset.as_deref(), Some("iso-8859-1"));
        assert_eq!(header.transfer, Some(Transfer::QuotedPrintable));
        assert!(header.has_name && header.is_sealed && !header.is_attachment && !header.is_ambiguous);
    }

    #[test]
    fn without_fields_it_is_lines_of_plain_text() {
        let header = Header::read(b"\r\n");
        assert_eq!((header.media_type, header.transfer), (None, Some(Transfer::Lines)));
    }

    #[test]
    fn an_unknown_encoding_and_a_doubled_field_are_noticed() {
        assert_eq!(Header::read(b"Content-Transfer-Encoding: x-uuencode\n\n").transfer, None);
        assert!(Header::read(b"Content-Type: text/html\nContent-Type: text/plain\n\n").is_ambiguous);
        assert!(Header::read(b"Content-Disposition: attachment; filename=x.html\n\n").is_attachment);
        assert!(Header::read(b"Content-MD5: x\n\n").has_digest);
    }
}
