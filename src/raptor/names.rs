//! The names of the tracking call's parameters.

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
