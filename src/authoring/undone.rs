//! What happens to a URL between a newsletter and somebody's clipboard.

use serde::Serialize;

/// One kind of mangling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undone {
    /// Soft hyphens, zero-width and direction characters.
    HiddenCharacters,
    /// `=3D`, and lines that end in `=`.
    QuotedPrintable,
    /// Line breaks and white space inside.
    WhiteSpace,
    /// `&amp;` and its kin, once or more.
    HtmlEntities,
    /// What stood around it: words, brackets, quotes.
    Surroundings,
    /// Punctuation at the end.
    TrailingCharacters,
    /// Percent-encoded once more as a whole.
    PercentEncoding,
    /// A scheme or host in capitals.
    LetterCase,
    /// No scheme in front of the host.
    MissingScheme,
    /// Microsoft's link scanner.
    OutlookSafelinks,
    /// Proofpoint's, versions 1 to 3.
    ProofpointUrldefense,
    /// Barracuda's.
    BarracudaLinkprotect,
    /// Google's redirect.
    GoogleRedirect,
    /// Somebody else's redirect that carries the URL in a parameter.
    OtherRedirect,
}

impl Undone {
    /// The stable word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HiddenCharacters => "hidden_characters",
            Self::QuotedPrintable => "quoted_printable",
            Self::WhiteSpace => "white_space",
            Self::HtmlEntities => "html_entities",
            Self::Surroundings => "surroundings",
            Self::TrailingCharacters => "trailing_characters",
            Self::PercentEncoding => "percent_encoding",
            Self::LetterCase => "letter_case",
            Self::MissingScheme => "missing_scheme",
            Self::OutlookSafelinks => "outlook_safelinks",
            Self::ProofpointUrldefense => "proofpoint_urldefense",
            Self::BarracudaLinkprotect => "barracuda_linkprotect",
            Self::GoogleRedirect => "google_redirect",
            Self::OtherRedirect => "other_redirect",
        }
    }
}

impl Serialize for Undone {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
