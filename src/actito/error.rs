//! What can go wrong with Actito, and what to do about each.
//!
//! No message holds an address, a REAID, a key or a URL: all of them may be logged as they are.

use std::time::Duration;

use thiserror::Error;

use super::message::Message;

/// The calls we make, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `GET /auth/token`
    Token,
    /// The structure of the profile table.
    Structure,
    /// One page of the list of profiles.
    List,
    /// One profile.
    Get,
    /// The profile of an address.
    Find,
    /// Writing one profile.
    Put,
    /// Sending a mass import.
    Import,
    /// How an import stands.
    ImportState,
    /// Which rows an import rejected.
    ImportErrors,
    /// Which webhooks there are.
    Webhooks,
    /// Creating, changing or deleting a webhook.
    Webhook,
    /// What a webhook delivers to us.
    Delivery,
}

impl Call {
    /// What the call does, as the middle of a sentence.
    pub const fn purpose(self) -> &'static str {
        match self {
            Self::Token => "exchanging the API key for a token",
            Self::Structure => "reading the structure of the profile table",
            Self::List => "listing the profiles",
            Self::Get => "reading a profile",
            Self::Find => "looking for the profile of an address",
            Self::Put => "writing a profile",
            Self::Import => "sending a mass import",
            Self::ImportState => "asking how a mass import stands",
            Self::ImportErrors => "reading the rejected rows of a mass import",
            Self::Webhooks => "listing the webhooks",
            Self::Webhook => "changing a webhook",
            Self::Delivery => "calling our webhook",
        }
    }

    /// What `proxy.toml` says that decides whether the call finds anything.
    const fn settings(self) -> &'static str {
        match self {
            Self::Token => "api_endpoint",
            Self::Structure | Self::List => "api_endpoint, entity, profile_table_id and url_style",
            Self::Get | Self::Find | Self::Put => "api_endpoint, entity, profile_table, url_style and profiles_api",
            Self::Import => "api_endpoint, entity, profile_table, url_style and import_api",
            Self::ImportState | Self::ImportErrors => "that the import is not long over, and import_api",
            Self::Webhooks | Self::Webhook | Self::Delivery => "api_endpoint, entity and url_style",
        }
    }
}

/// A call to Actito that did not do what it should, or a table that cannot hold REAIDs.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Error {
    /// 401 to the key itself, or to a token that was fresh.
    #[error("Actito refuses the API key (401): check actito.api_key, and that the key is active in this environment")]
    BadKey,
    /// 403.
    #[error("Actito forbids {} (403): give the API key the right to do that", .call.purpose())]
    Forbidden {
        /// What the key may not do.
        call: Call,
    },
    /// 404 or 410.
    #[error("Actito found nothing ({status}) when {}: check {}", .call.purpose(), .call.settings())]
    NotFound {
        /// What was asked.
        call: Call,
        /// The status that came.
        status: u16,
    },
    /// 429.
    #[error("Actito asks to slow down (429) when {}: lower actito.calls_per_minute or actito.concurrency if other programs use the same licence", .call.purpose())]
    Throttled {
        /// What was asked.
        call: Call,
        /// How long to wait, when Actito said so.
        retry_after: Option<Duration>,
    },
    /// 5xx.
    #[error("Actito failed ({status}) when {}: nothing to do here, it is tried again", .call.purpose())]
    Server {
        /// What was asked.
        call: Call,
        /// The status that came.
        status: u16,
    },
    /// Any other status that is not success.
    #[error("Actito refuses {} (status {status}, {message}): check the actito settings of the integration", .call.purpose())]
    Refused {
        /// What was asked.
        call: Call,
        /// The status that came.
        status: u16,
        /// What Actito says about it.
        message: Message,
    },
    /// No whole answer in time.
    #[error("Actito did not answer in time when {}: nothing to do here, it is tried again", .call.purpose())]
    Timeout {
        /// What was asked.
        call: Call,
    },
    /// No connection: nothing was sent.
    #[error("no connection to Actito when {}: check actito.api_endpoint, name resolution and the firewall", .call.purpose())]
    Connection {
        /// What was asked.
        call: Call,
    },
    /// The connection broke while something was sent or answered.
    #[error("the connection to Actito broke when {}: check the firewall and proxies between if it happens often", .call.purpose())]
    Broken {
        /// What was asked.
        call: Call,
    },
    /// The name of the endpoint leads into a private network.
    #[error(
        "actito.api_endpoint resolves to a private address: if that is meant, set actito.allow_private = true beside it"
    )]
    PrivateAddress,
    /// A success that does not say what it should.
    #[error("Actito's answer when {} was not understood: expected {expected}", .call.purpose())]
    Unreadable {
        /// What was asked.
        call: Call,
        /// What should have been there.
        expected: &'static str,
    },
    /// The profile table cannot hold what we need.
    #[error("attribute {attribute:?} {problem}")]
    Attribute {
        /// The attribute's name, as configured.
        attribute: String,
        /// What is wrong with it.
        problem: AttributeProblem,
    },
    /// The file of an import could not be written or read back.
    #[error(
        "the file of a mass import cannot be kept on disk ({problem}): check the folder of the store, its rights and its space"
    )]
    File {
        /// What the system says.
        problem: std::io::ErrorKind,
    },
    /// The settings ask for something that this client cannot do.
    #[error("{0}")]
    Unsupported(&'static str),
}

/// Why an attribute of the profile table cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum AttributeProblem {
    /// There is no such attribute.
    #[error("does not exist in the profile table: create it in Actito, or correct its name in proxy.toml")]
    Missing,
    /// It is there, but not as one string.
    #[error("is of type {found} in the profile table, expected STRING: use an attribute of type STRING")]
    NotAString {
        /// The type that Actito names.
        found: String,
    },
    /// It is a list of strings.
    #[error("holds several values in the profile table: use an attribute with one value")]
    MultiValued,
    /// It is too short for a REAID.
    #[error("holds {length} characters, a REAID needs {needed}: raise its length in Actito")]
    TooShort {
        /// How many characters fit.
        length: u64,
        /// How many a REAID has.
        needed: u64,
    },
}

impl Error {
    /// The metric label and log field.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::BadKey => "bad_key",
            Self::Forbidden { .. } => "forbidden",
            Self::NotFound { .. } => "not_found",
            Self::Throttled { .. } => "throttled",
            Self::Server { .. } => "server",
            Self::Refused { .. } => "refused",
            Self::Timeout { .. } => "timeout",
            Self::Connection { .. } => "connection",
            Self::Broken { .. } => "broken",
            Self::File { .. } => "file",
            Self::PrivateAddress => "private_address",
            Self::Unreadable { .. } => "unreadable",
            Self::Attribute { problem: AttributeProblem::Missing, .. } => "attribute_missing",
            Self::Attribute { problem: AttributeProblem::NotAString { .. }, .. } => "attribute_not_a_string",
            Self::Attribute { problem: AttributeProblem::MultiValued, .. } => "attribute_multi_valued",
            Self::Attribute { problem: AttributeProblem::TooShort { .. }, .. } => "attribute_too_short",
            Self::Unsupported(_) => "unsupported",
        }
    }

    /// Whether the same call may well succeed in a moment.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Throttled { .. }
                | Self::Server { .. }
                | Self::Timeout { .. }
                | Self::Connection { .. }
                | Self::Broken { .. }
        )
    }

    /// Whether Actito may have taken what was sent although we do not know it. `false` is certain: no
    /// connection, or an answer that says no.
    pub const fn may_have_arrived(&self) -> bool {
        matches!(self, Self::Server { .. } | Self::Timeout { .. } | Self::Broken { .. } | Self::Unreadable { .. })
    }

    /// How long Actito asks to wait, when it said so.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether every other call would fail the same way, so that going on makes no sense.
    pub const fn concerns_all(&self) -> bool {
        matches!(
            self,
            Self::BadKey
                | Self::Forbidden { .. }
                | Self::PrivateAddress
                | Self::Attribute { .. }
                | Self::File { .. }
                | Self::Unsupported(_)
        )
    }

    /// The error that a status which is not success stands for.
    pub(super) fn from_status(call: Call, status: u16, retry_after: Option<Duration>, message: Message) -> Self {
        match status {
            401 => Self::BadKey,
            403 => Self::Forbidden { call },
            404 | 410 => Self::NotFound { call, status },
            429 => Self::Throttled { call, retry_after },
            408 => Self::Timeout { call },
            500.. => Self::Server { call, status },
            _ => Self::Refused { call, status, message },
        }
    }

    pub(super) fn file(error: &std::io::Error) -> Self {
        Self::File { problem: error.kind() }
    }

    /// What the transport reports, without the URL that it carries.
    pub(super) fn from_transport(call: Call, error: &reqwest::Error) -> Self {
        match crate::outbound::reason(error) {
            "private_address" => Self::PrivateAddress,
            // Before the rest: connecting may time out, too, and then nothing was sent.
            _ if error.is_connect() => Self::Connection { call },
            "timeout" => Self::Timeout { call },
            _ => Self::Broken { call },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_try_again() {
        let transient = |status| Error::from_status(Call::Put, status, None, Message::default()).is_transient();
        assert!([408, 429, 500, 502, 503, 504].into_iter().all(transient));
        assert!(![301, 400, 401, 403, 404, 409, 410].into_iter().any(transient));
    }

    #[test]
    fn a_message_says_what_to_do() {
        let says = |status| Error::from_status(Call::Put, status, None, Message::default()).to_string();
        assert!(says(401).contains("check actito.api_key"));
        assert!(says(403).contains("writing a profile (403): give the API key the right"));
        assert!(says(404).contains("check api_endpoint, entity, profile_table, url_style and profiles_api"));
        let short = AttributeProblem::TooShort { length: 20, needed: 24 };
        let error = Error::Attribute { attribute: "reaid".into(), problem: short };
        assert_eq!(
            error.to_string(),
            "attribute \"reaid\" holds 20 characters, a REAID needs 24: raise its length in Actito"
        );
    }
}
