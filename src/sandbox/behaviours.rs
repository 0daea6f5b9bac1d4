//! What of the sandbox is documented by the vendors, and what is assumed. Whoever changes a behaviour
//! changes its line here.

use serde::Serialize;

/// How sure a behaviour is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Certainty {
    /// In the vendor's documentation, or in code that the vendor or its customers published.
    Documented,
    /// Ours, because nothing is known.
    Assumed,
}

/// One thing that the sandbox does.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Behaviour {
    /// What it does.
    pub behaviour: &'static str,
    /// How sure that is.
    pub certainty: Certainty,
    /// Where it is from.
    pub source: &'static str,
}

const DOCS: &str = "Actito's documentation";
const CLIENTS: &str = "public client code of Actito's API";
const SCRIPT: &str = "Raptor's published tag and script code";
const HELP: &str = "Raptor's help text";
const OURS: &str = "not publicly known; ours";

const fn documented(behaviour: &'static str, source: &'static str) -> Behaviour {
    Behaviour { behaviour, certainty: Certainty::Documented, source }
}

const fn assumed(behaviour: &'static str) -> Behaviour {
    Behaviour { behaviour, certainty: Certainty::Assumed, source: OURS }
}

/// Everything the sandbox does that a client could come to rely on.
pub const BEHAVIOURS: &[Behaviour] = &[
    documented("actito: GET /auth/token with the raw API key gives a bearer token, expiresIn \"900s\"", DOCS),
    documented("actito: 401 for a bad key and for a bad or expired token", DOCS),
    documented("actito: 100 calls a minute, beyond that slowed and not rejected", DOCS),
    assumed("actito: a call over the limit waits until a minute after the hundredth call before it, at most 20 s"),
    assumed("actito: token calls and refused calls count among the 100, calls answered 429 do not"),
    documented("actito: more than 5 concurrent requests get 429, without Retry-After", DOCS),
    documented("actito: more than 12 imports of a table and day get 429, 24 in some contracts", DOCS),
    assumed(
        "actito: the day begins at midnight UTC; V4 and V5 imports share it; an import answered 400 does not count",
    ),
    documented("actito: 403 when the API key lacks the right", DOCS),
    assumed(
        "actito: rights are reading, writing, imports, webhooks, structure; a part that is gone answers 404 to anybody",
    ),
    assumed("actito: a call that is slowed counts as concurrent"),
    documented("actito: error bodies are {\"status\":…,\"message\":…}", CLIENTS),
    assumed("actito: the texts of error messages"),
    documented("actito: the structure of a profile table, with valueType and valueRestriction.maxLength", DOCS),
    documented("actito: predefined attributes (EMAIL_ADDRESS, FIRSTNAME, …) have no valueType in the structure", DOCS),
    assumed("actito: the address is unique unless told otherwise, not mandatory, and compared byte for byte"),
    documented("actito: the V5 list of profiles exists", DOCS),
    assumed("actito: the V5 list takes page from 0 and pageSize (100 when absent), answers profiles and page"),
    assumed("actito: a pageSize over 1000 gets 400"),
    assumed("actito: profiles in V5 have the shape of V4"),
    documented("actito: V5 reads one profile by key, with nulls when includeNulls=true", DOCS),
    assumed("actito: the V5 list leaves nulls out unless includeNulls=true"),
    documented("actito: V4 reads one profile by profileId or attribute=value on a unique attribute", DOCS),
    documented("actito: V4 values are strings or null; attributes, subscriptions, segmentations", CLIENTS),
    documented("actito: V4 PUT is partial over the attributes listed and answers the profileId", CLIENTS),
    documented("actito: V4 POST with allowUpdate=true updates the profile that exists already", DOCS),
    assumed("actito: V4 POST of an address that exists, without allowUpdate, gets 409"),
    documented("actito: V4 DELETE of a profile exists", CLIENTS),
    assumed("actito: V4 DELETE answers 204"),
    assumed("actito: V5 writes with PATCH of one profile and the attributes of V4, and answers the profileId"),
    assumed("actito: the V5 list takes attribute=value filters; an unknown attribute gets 400"),
    documented("actito: 404 for an unknown profile", DOCS),
    documented("actito: an import is multipart/form-data with a zip of one CSV and its parameters", DOCS),
    documented("actito: the parts are inputFile and parameters; the fields of the parameters in V4", CLIENTS),
    documented("actito: modes CREATE_ONLY, UPDATE_ONLY, CREATE_UPDATE by a unique attribute", DOCS),
    documented("actito: a zip over 100 MB gets 400", DOCS),
    documented("actito: an import's CSV is UTF-8 without byte order mark, RFC 4180, with a header line", DOCS),
    assumed(
        "actito: a file that breaks a rule gets 400 before anything is imported; the CSV itself is at most 100 MB, too",
    ),
    assumed("actito: profileId finds the profile when it is mapped, and an unknown one is rejected in every mode"),
    assumed("actito: an empty field empties the attribute; of several rows for one profile the last counts"),
    documented(
        "actito: status, result with withErrors and rowsInError, errors as a zip with errorCode and errorColumn",
        CLIENTS,
    ),
    assumed("actito: the words RUNNING, FINISHED, WITH_ERROR, every errorCode, result 404 until the import is over"),
    assumed(
        "actito: errors gets 404 when no row was rejected or generateResultFile was not true; an import takes 30 s",
    ),
    documented("actito: one-shot ETL at etl-executions with the statuses SUCCESS and WITH_ERROR", DOCS),
    assumed("actito: one-shot ETL takes the parts and parameters of V4, a bare CSV too, and has its id as a string"),
    documented("actito: an import's definition names the recipients of its report", DOCS),
    assumed("actito: the recipients stand in reportRecipients"),
    documented("actito: webhook subscriptions, their static headers, ONE_BY_ONE and BULK with maxBlockSize", DOCS),
    documented("actito: pushes in V1 and V2, with the operation's attributes and the unique ones, unsigned", DOCS),
    assumed(
        "actito: a push not answered 2xx in 10 s is tried 3 times, a minute apart; a value that did not change is not pushed",
    ),
    assumed("actito: pushes go over http to loopback addresses only; maxBlockSize is at most 50"),
    documented(
        "actito: exports are CSV with semicolons, quotes, header, UTF-8 without byte order mark, in zip or gzip",
        DOCS,
    ),
    assumed("actito: an export is named after its table and the day and appears whole; null is an empty field"),
    assumed(
        "actito: 404 for an unknown entity or table, 400 for an unknown attribute, a value that is too long or no string, and a profileId",
    ),
    documented("actito: both URL styles, with and without a category before the version, each until it is gone", DOCS),
    documented(
        "actito: the click wrapper appends actId=%7E…, actCampaignType, actSource after the link's own query",
        DOCS,
    ),
    assumed("actito: the wrapper's path /wrap?to=, its actId beyond %7E, and how it joins an empty query"),
    documented("actito: ${attribute} is replaced in text, links and link parameters", DOCS),
    assumed(
        "actito: a value that is not URL-safe is percent-encoded inside a tag, escaped outside; null is nothing; an unknown field stays",
    ),
    documented("raptor: GET /{customerId}.rsa, customerId of 4 or 5 digits, one event a request", SCRIPT),
    documented("raptor: coid and sid on every call, as upper-case GUIDs", SCRIPT),
    documented("raptor: p1 is the event type", SCRIPT),
    documented("raptor: no clear-text address may travel in a URL", HELP),
    assumed("raptor: a call without p1, coid or sid, or with an at sign in a value, gets 400 with a reason"),
    assumed("raptor: a call that is right gets 204; a repeated one counts twice"),
    documented("cdp: /api/v3/audiences, identifiers, membership/{id}, membership/changes/{identifierType}", HELP),
    documented("cdp: memberships/email?identifierValue= answers {\"memberships\":[{\"id\":…,\"name\":…}]}", HELP),
    assumed("cdp: every other body, the key in x-api-key or as a bearer, the parameter sequenceNumber"),
    assumed("cdp: 200,000 changes are kept, 10,000 in an answer; older ones get 410"),
    documented("actito: files in a file location become references, which target profiles by an attribute", DOCS),
    documented("actito: a reference has a validity period", DOCS),
    assumed("actito: a file is picked up when it is another one; it is UTF-8 without byte order mark, at most 100 MB"),
    assumed("actito: the folders of a file are the steps to it; the header names the attribute; validity is 48 h"),
    documented(
        "shop: the page's script takes reaid from the query (any case, first that is not empty, cut at a raw =), else from the cookie",
        SCRIPT,
    ),
    documented("shop: the script keeps it in the cookie rsaReaid and sends its own pageview with it", SCRIPT),
    assumed("shop: cookies come without Secure, because the sandbox speaks plain http"),
    assumed("everywhere: an answer comes at once unless a fault or a limit slows it"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_names_its_side_and_stands_once() {
        for (index, one) in BEHAVIOURS.iter().enumerate() {
            let side = one.behaviour.split_once(": ").map(|(side, _)| side);
            assert!(matches!(side, Some("actito" | "raptor" | "cdp" | "shop" | "everywhere")), "{}", one.behaviour);
            assert!(BEHAVIOURS[..index].iter().all(|other| other.behaviour != one.behaviour), "{}", one.behaviour);
        }
    }
}
