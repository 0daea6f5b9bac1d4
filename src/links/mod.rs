//! What a click URL says and where it may lead: tokens, destinations, parameters.
//!
//! Pure: no I/O, no clock, no logging. A redirect is only ever built from a [`Destination`], and a
//! destination only comes from [`Sites::accept`] or from an operator's own configuration.

mod candidates;
mod click_url;
mod cookies;
mod destination;
mod location;
mod names;
mod opening;
mod policy;
mod query;
pub mod reserved;
mod sites;
mod token;
mod verdict;

pub use candidates::{Candidates, Claim};
pub use click_url::{CLICK_PATH, ClickUrl, LinkMaker, PIXEL_PATH, PIXEL_SUFFIX};
pub use cookies::{CookieDomain, CookieDomainError, CookieRules};
pub use destination::{Destination, DestinationError};
pub use location::{Location, Merged};
pub use names::{Account, AccountError, Campaign, CampaignError};
pub use opening::{Fallback, OpenLink, Unopened};
pub use policy::{Domain, Domains, Policy, Shop};
pub use query::{Parameter, parameters, split_query};
pub use sites::{Accepted, HostPattern, HostPatternError, SiteId, Sites};
pub use token::{LinkKeys, OpenError, Opened, Recipient, Target};
pub use verdict::{Identity, Verdict};
