//! What is recorded: one click or open.

use std::fmt;

use crate::clock::Timestamp;

/// The id of an event: eight random bytes of the process that recorded it, then a counter (big
/// endian).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// The `count`th id of the process with this random part.
    pub fn new(process: [u8; 8], count: u64) -> Self {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&process);
        id[8..].copy_from_slice(&count.to_be_bytes());
        Self(id)
    }

    /// Reads the 32 hex digits that `Display` writes.
    pub fn parse(hex: &str) -> Option<Self> {
        if hex.len() != 32 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        u128::from_str_radix(hex, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the person did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Followed a link.
    Click,
    /// Loaded the pixel.
    Open,
}

/// Who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Agent {
    /// A person's browser, as far as one can tell.
    Human,
    /// A crawler or link scanner.
    Bot,
    /// A browser that fetches ahead.
    Prefetch,
    /// A mail service's image proxy: a real open.
    Proxy,
    /// It does not say.
    Unknown,
}

/// What became of an event's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// A REAID of the site's integration.
    Valid,
    /// No parameter `reaid`.
    Missing,
    /// The e-mail platform did not replace the merge field.
    MergeField,
    /// Something that is no REAID of this integration.
    CheckFailed,
    /// Switched off: by the integration, by Global Privacy Control, for want of consent, or because
    /// the page is on a host that left every site.
    Disabled,
    /// The person asked to be forgotten.
    Suppressed,
}

/// The ids of the visitor's own cookies, where they were there and could be used.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CookieIds {
    /// The visitor id.
    pub coid: Option<[u8; 16]>,
    /// The session id.
    pub sid: Option<[u8; 16]>,
}

/// What the schema needs for them.
pub(super) const SCHEMA_COOKIES: &str = "
    ALTER TABLE event ADD COLUMN coid BLOB;
    ALTER TABLE event ADD COLUMN sid BLOB;
";

/// Where an event is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// To be delivered.
    Waiting,
    /// Raptor took it.
    Delivered,
    /// Given up; kept for inspection.
    Dead,
    /// Stored only: not meant for Raptor.
    Kept,
}

/// One click or open, as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// Who asked.
    pub agent: Agent,
    /// What became of its identity; `None` when it was recorded by a version that did not keep it.
    pub verdict: Option<Verdict>,
    /// The Raptor customer id.
    pub account: String,
    /// The campaign of the link or pixel.
    pub campaign: String,
    /// The number of the link in the newsletter.
    pub number: u16,
    /// The recipient's REAID, where known and allowed.
    pub reaid: Option<String>,
    /// Where a click landed; `None` for opens. Goes in as the whole `Location`: the door takes out
    /// what must not be stored.
    pub page: Option<String>,
    /// Who the shop's cookies say it was: before what is derived from the REAID.
    pub cookies: CookieIds,
    /// The person did not consent: stored, never delivered. Not a column: it decides the state.
    pub withheld: bool,
}

impl fmt::Debug for CookieIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieIds(…)")
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("id", &self.id)
            .field("at", &self.at)
            .field("kind", &self.kind)
            .field("agent", &self.agent)
            .field("verdict", &self.verdict)
            .field("account", &self.account)
            .field("campaign", &self.campaign)
            .field("number", &self.number)
            .field("reaid", &self.reaid.as_ref().map(|_| "…"))
            .field("page", &self.page.as_ref().map(|_| "…"))
            .finish()
    }
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Click, Self::Open];

    /// The label for metrics, logs and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Open => "open",
        }
    }
}

impl Agent {
    /// All classes. The position of one is its number on disk: add at the end only.
    pub const ALL: [Self; 5] = [Self::Human, Self::Bot, Self::Prefetch, Self::Proxy, Self::Unknown];

    /// The label for metrics, logs and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Bot => "bot",
            Self::Prefetch => "prefetch",
            Self::Proxy => "proxy",
            Self::Unknown => "unknown",
        }
    }
}

impl Verdict {
    /// All of them. The position of one is its number on disk: add at the end only.
    pub const ALL: [Self; 6] =
        [Self::Valid, Self::Missing, Self::MergeField, Self::CheckFailed, Self::Disabled, Self::Suppressed];

    /// The label for metrics, logs and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "valid",
            Self::Missing => "missing",
            Self::MergeField => "merge_field",
            Self::CheckFailed => "check_failed",
            Self::Disabled => "disabled",
            Self::Suppressed => "suppressed",
        }
    }
}

impl State {
    /// All states. The position of one is its number on disk (the partial indexes name `0`).
    pub const ALL: [Self; 4] = [Self::Waiting, Self::Delivered, Self::Dead, Self::Kept];

    /// The label for metrics, logs and output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Dead => "dead",
            Self::Kept => "kept",
        }
    }
}

/// Enums are stored as their position in `ALL`.
macro_rules! stored_as_position {
    ($($name:ident),+) => {$(
        impl rusqlite::ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
                Ok((*self as i64).into())
            }
        }

        impl rusqlite::types::FromSql for $name {
            fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
                let position = value.as_i64()?;
                let found = usize::try_from(position).ok().and_then(|index| Self::ALL.get(index));
                found.copied().ok_or(rusqlite::types::FromSqlError::OutOfRange(position))
            }
        }
    )+};
}

stored_as_position!(Kind, Agent, Verdict, State);

#[cfg(test)]
impl Event {
    /// An open of nobody: what tests begin with.
    pub(crate) fn of_nobody(account: &str, at: Timestamp) -> Self {
        Self {
            id: EventId([0; 16]),
            at,
            kind: Kind::Open,
            agent: Agent::Human,
            verdict: None,
            account: account.into(),
            campaign: "demo".into(),
            number: 0,
            reaid: None,
            page: None,
            cookies: CookieIds::default(),
            withheld: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_from_what_it_shows() {
        let id = EventId::new([0, 1, 2, 3, 4, 5, 6, 255], 258);
        assert_eq!(id.to_string(), "00010203040506ff0000000000000102");
        assert_eq!(EventId::parse(&id.to_string()), Some(id));
        assert_eq!(EventId::parse("+0010203040506ff0000000000000102"), None);
        assert_eq!(EventId::parse("12"), None);
    }

    #[test]
    fn positions_on_disk_are_the_order_of_all() {
        for (index, agent) in Agent::ALL.into_iter().enumerate() {
            assert_eq!(agent as usize, index);
        }
        for (index, verdict) in Verdict::ALL.into_iter().enumerate() {
            assert_eq!(verdict as usize, index);
        }
        for (index, state) in State::ALL.into_iter().enumerate() {
            assert_eq!(state as usize, index);
        }
    }

    #[test]
    fn debug_shows_neither_identity_nor_page() {
        let event = Event {
            kind: Kind::Click,
            reaid: Some("AVCX2Xn3aHNLYEVZLOeLQLnM".into()),
            page: Some("https://shop.example/secret".into()),
            ..Event::of_nobody("1234", Timestamp::from_secs(1))
        };
        let shown = format!("{event:?}");
        assert!(!shown.contains("AVCX") && !shown.contains("secret"), "{shown}");
    }
}
