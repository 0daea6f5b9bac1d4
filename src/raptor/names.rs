//! The names of the tracking call's parameters, and of the cookies that Raptor's script keeps.

/// The event's type.
pub const EVENT_TYPE: &str = "p1";
/// The session.
pub const SESSION: &str = "sid";
/// The visitor.
pub const VISITOR: &str = "coid";
/// The recipient, as in the landing page's query.
pub const REAID: &str = "reaid";
/// The client that calls.
pub const CLIENT: &str = "v";
/// The page.
pub const PAGE: &str = "url";
/// The campaign, which an open carries in place of a page.
pub const UTM_CAMPAIGN: &str = "utm_campaign";
/// The campaign parameters of a page that a call repeats, in the documented order.
pub const UTM: [&str; 5] = ["utm_source", "utm_medium", UTM_CAMPAIGN, "utm_term", "utm_content"];

/// The cookie of the visitor: what calls name [`VISITOR`].
pub const VISITOR_COOKIE: &str = "rsa";
/// The cookie of the session: what calls name [`SESSION`].
pub const SESSION_COOKIE: &str = "rsaSession";
/// The cookie of the recipient.
pub const REAID_COOKIE: &str = "rsaReaid";
/// The same as the older script spells it.
pub const OLDER_REAID_COOKIE: &str = "rsaReaId";
