//! Why a request of the admin listener is not done, and the status that says so.

use http::StatusCode;

use super::limits;
use crate::audience::saved::SaveError;
use crate::authoring::{AuthorError, PastedError};
use crate::identity::{AddressError, DigestError};
use crate::rewrite::RewriteError;

/// Why a request is not done. The texts repeat nothing of it that may be an address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No such path.
    #[error("no such page")]
    NotFound,
    /// A `Host` that is none of ours.
    #[error("no such host here: use an address, localhost or a name in admin.hosts")]
    Misdirected,
    /// A path that has other methods.
    #[error("expected {0}")]
    Method(&'static str),
    /// No token, or another one.
    #[error("expected Authorization: Bearer with the admin token")]
    Unauthorised,
    /// No key of an integration, or another one.
    #[error("expected Authorization: Bearer with the get_or_create_key of an integration")]
    NoKey,
    /// An integration that gives no REAIDs.
    #[error("this integration gives no REAIDs: enable_email_synchronization = false")]
    Disabled,
    /// Addresses, but none that is one; the words are those of Raptor's own service.
    #[error("No valid email addresses provided")]
    NoAddresses,
    /// More addresses than one call may have.
    #[error("expected at most {} valid addresses, found more: ask in several calls", limits::ADDRESSES_AT_ONCE)]
    TooManyAddresses,
    /// A parameter that the path does not have, or has once.
    #[error("expected the parameters {0}, each at most once")]
    Parameters(&'static str),
    /// A parameter that is something else.
    #[error("{name}: expected {expected}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// A body that is not announced.
    #[error("expected a body, with Content-Length or chunked")]
    LengthRequired,
    /// A body of another kind.
    #[error("expected Content-Type {0}, without Content-Encoding")]
    MediaType(&'static str),
    /// An answer that nobody can give.
    #[error("expected Accept to allow application/json or the type of the document")]
    NotAcceptable,
    /// A body beyond its limit.
    #[error("expected a body of at most {limit} bytes, found {found} or more")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// What came or was announced, in bytes.
        found: usize,
    },
    /// A body that came too slowly.
    #[error("the body came too slowly: expected some of it every 10 s, and all of it within 60 s")]
    TooSlow,
    /// A body that broke off.
    #[error("the body ended before it was complete")]
    Broken,
    /// A body that is not what its type says.
    #[error("expected {0}")]
    Body(&'static str),
    /// More at once than there is memory for.
    #[error("too many requests with bodies at once: try again")]
    Busy,
    /// Clicks come first.
    #[error("there are more clicks than this machine answers in time: try again")]
    Overloaded,
    /// What was asked is wrong.
    #[error(transparent)]
    Author(#[from] AuthorError),
    /// No address.
    #[error("address: {0}")]
    Address(#[from] AddressError),
    /// No digest.
    #[error("digest: {0}")]
    Digest(#[from] DigestError),
    /// An erasure that did not come to its end; how far it came.
    #[error("{0}")]
    Erasure(String),
    /// An activation that is not saved.
    #[error(transparent)]
    Activation(#[from] SaveError),
    /// A mistake of ours.
    #[error("this should not happen: the log says more")]
    Internal,
}

impl Error {
    /// A stable word for programs.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Misdirected => "misdirected",
            Self::Method(_) => "method",
            Self::Unauthorised | Self::NoKey => "unauthorised",
            Self::Disabled => "disabled",
            Self::NoAddresses => "no_addresses",
            Self::TooManyAddresses => "too_many_addresses",
            Self::Parameters(_) => "parameters",
            Self::Parameter { name, .. } => name,
            Self::LengthRequired => "length_required",
            Self::MediaType(_) => "media_type",
            Self::NotAcceptable => "not_acceptable",
            Self::TooLarge { .. } => "too_large",
            Self::TooSlow => "too_slow",
            Self::Broken => "broken",
            Self::Body(_) => "body",
            Self::Busy => "busy",
            Self::Overloaded => "overloaded",
            Self::Author(error) => error.kind(),
            Self::Address(_) => "address",
            Self::Digest(_) => "digest",
            Self::Erasure(_) => "erasure",
            Self::Activation(error) => error.kind(),
            Self::Internal => "internal",
        }
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Misdirected => StatusCode::MISDIRECTED_REQUEST,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorised | Self::NoKey => StatusCode::UNAUTHORIZED,
            Self::Disabled => StatusCode::FORBIDDEN,
            Self::Parameters(_) | Self::Parameter { .. } | Self::Broken | Self::Body(_) | Self::NoAddresses => {
                StatusCode::BAD_REQUEST
            }
            Self::Address(_) | Self::Digest(_) => StatusCode::BAD_REQUEST,
            Self::LengthRequired => StatusCode::LENGTH_REQUIRED,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooLarge { .. } | Self::TooManyAddresses => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy | Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Author(error) => status_of(error),
            Self::Activation(error) => status_of_saving(error),
            Self::Erasure(_) | Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

const fn status_of_saving(error: &SaveError) -> StatusCode {
    match error {
        SaveError::Invalid { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        SaveError::Exists(_) | SaveError::InFile(_) | SaveError::TooMany => StatusCode::CONFLICT,
        SaveError::Unknown(_) => StatusCode::NOT_FOUND,
        SaveError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// 400 for what no configuration would take, 422 for what this one does not.
fn status_of(error: &AuthorError) -> StatusCode {
    match error {
        AuthorError::Campaign(_)
        | AuthorError::Account(_)
        | AuthorError::To(_)
        | AuthorError::Digest(_)
        | AuthorError::TwoRecipients
        | AuthorError::Missing(_) => StatusCode::BAD_REQUEST,
        AuthorError::Pasted(PastedError::TooLong(_)) | AuthorError::Newsletter(RewriteError::TooLarge { .. }) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        AuthorError::UnknownAccount(_)
        | AuthorError::ForeignAccount { .. }
        | AuthorError::SeveralAccounts(_)
        | AuthorError::NoSite
        | AuthorError::Suppressed
        | AuthorError::Url(_)
        | AuthorError::Pasted(_)
        | AuthorError::Newsletter(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}
