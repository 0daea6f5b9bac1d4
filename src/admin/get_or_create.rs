//! `POST /GetOrCreate`: the REAIDs of addresses, in the words of Raptor's own service, so that whoever calls
//! that can call this. The bearer key says which integration's.
//!
//! Whose REAID was asked for, the integration's next sync looks for among its profiles: nobody is waited for
//! longer than a day, and no address is kept (see [`ask`](crate::store::sync::ask)).

use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::access::carries;
use super::answer::{self, Answer};
use super::body::{Upload, media_type};
use super::error::Error;
use super::{Admin, limits};
use crate::clock;
use crate::store::Store;
use crate::store::sync::{self as rows, Fingerprint};
use crate::sync::plan::Stamp;
use crate::sync::{Wanted, WantedFn};

const MEDIA_TYPE: &str = "application/json";

/// Who gives the REAIDs of one integration.
pub struct IdDesk {
    /// What whoever asks must carry.
    pub key: Zeroizing<String>,
    /// The integration.
    pub integration: String,
    /// Whether it gives any.
    pub enabled: bool,
    /// Which REAID an address must have; none of a suppressed person.
    pub wanted: WantedFn,
    /// Where those are remembered who were asked for.
    pub store: Store,
}

/// As Raptor documents it. What is no text is no address.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "emailAddresses")]
    addresses: Vec<Value>,
}

#[derive(Serialize)]
struct Answered {
    results: Vec<Given>,
}

/// A REAID beside its address, as that was written.
#[derive(Serialize)]
struct Given {
    #[serde(rename = "emailAddress")]
    address: String,
    #[serde(rename = "reaId")]
    reaid: String,
}

impl Admin {
    pub(super) async fn get_or_create(&self, request: &Parts, body: &mut Option<Upload>) -> Result<Answer, Error> {
        // All keys are looked at, so that time does not tell which one was nearly right.
        let desks = self.desks.iter().fold(None, |found, desk| match carries(request, &desk.key) {
            true => Some(desk),
            false => found,
        });
        let desk = desks.ok_or(Error::NoKey)?.clone();
        if !desk.enabled {
            return Err(Error::Disabled);
        }
        if media_type(request, MEDIA_TYPE)? != MEDIA_TYPE {
            return Err(Error::MediaType(MEDIA_TYPE));
        }
        // Values take more room than their text; and the answer is as long again.
        let room = self.room(8 * limits::ADDRESSES).await?;
        let text = body.as_mut().ok_or(Error::Internal)?.read(limits::ADDRESSES).await?;
        let wanted = desk.wanted.clone();
        let given = self.compute(move || give(&text, &wanted)).await??;
        let people = given.iter().map(|one| Stamp::of(&one.reaid).fingerprint).collect();
        desk.remember(people).await;
        Ok(answer::json(StatusCode::OK, &Answered { results: given }, Some(room)))
    }
}

impl IdDesk {
    /// The answer does not wait on whether this succeeds: the list of profiles has everybody anyway.
    async fn remember(&self, people: Vec<Fingerprint>) {
        let (integration, now) = (self.integration.clone(), clock::now().millis());
        let written = self.store.write(move |db| rows::ask(db, &integration, &people, now)).await;
        if let Err(error) = written {
            tracing::warn!(integration = self.integration, kind = error.kind(), "who was asked for is not remembered");
        }
    }
}

/// The REAIDs of those addresses that are some, in their order.
fn give(text: &[u8], wanted: &WantedFn) -> Result<Vec<Given>, Error> {
    // The parser's own words would repeat what was sent.
    let asked: Asked = serde_json::from_slice(text).map_err(|_| Error::Body("{\"emailAddresses\":[\"…\"]}"))?;
    let (mut given, mut valid) = (Vec::new(), 0);
    for address in asked.addresses {
        let Value::String(address) = address else { continue };
        let wanted = wanted(&address);
        valid += usize::from(!matches!(wanted, Wanted::Invalid(_)));
        if valid > limits::ADDRESSES_AT_ONCE {
            return Err(Error::TooManyAddresses);
        }
        if let Wanted::Reaid(reaid) = wanted {
            given.push(Given { address, reaid });
        }
    }
    // A suppressed person is answered like an address that is none: nobody learns of it.
    if given.is_empty() { Err(Error::NoAddresses) } else { Ok(given) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    fn wanted() -> WantedFn {
        Arc::new(|address| match address {
            "suppressed@example.org" => Wanted::None,
            address if address.contains('@') => Wanted::Reaid(format!("reaid of {address}")),
            _ => Wanted::Invalid("no address".to_owned()),
        })
    }

    fn given(text: &str) -> Result<Vec<String>, &'static str> {
        let given = give(text.as_bytes(), &wanted()).map_err(|error| error.kind())?;
        Ok(given.into_iter().map(|one| format!("{}: {}", one.address, one.reaid)).collect())
    }

    fn of(addresses: &[String]) -> String {
        serde_json::json!({ "emailAddresses": addresses }).to_string()
    }

    #[test]
    fn the_valid_are_answered_in_their_order_and_the_others_left_out() {
        let text = r#"{"emailAddresses":["b@x","nobody",7,null,"suppressed@example.org","a@x","b@x"],"more":1}"#;
        assert_eq!(given(text).unwrap(), ["b@x: reaid of b@x", "a@x: reaid of a@x", "b@x: reaid of b@x"]);
    }

    #[test]
    fn a_suppressed_person_looks_like_no_address() {
        for text in [r#"["suppressed@example.org"]"#, r#"["nobody"]"#, "[]", "[{}]"] {
            assert_eq!(given(&format!("{{\"emailAddresses\":{text}}}")), Err("no_addresses"), "{text}");
        }
    }

    #[test]
    fn only_the_valid_count() {
        let mut addresses: Vec<String> = (0..1000).map(|number| format!("{number}@x")).collect();
        addresses.push("nobody".to_owned());
        assert_eq!(given(&of(&addresses)).unwrap().len(), 1000);
        addresses.push("suppressed@example.org".to_owned());
        assert_eq!(given(&of(&addresses)), Err("too_many_addresses"));
    }

    proptest! {
        #[test]
        fn any_body_is_an_answer_or_an_error(text in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(give(&text, &wanted()).is_err());
        }

        #[test]
        fn as_many_are_answered_as_are_addresses(addresses in prop::collection::vec("[a@ ]{0,4}", 1..20)) {
            let valid = addresses.iter().filter(|it| it.contains('@')).count();
            prop_assert_eq!(given(&of(&addresses)).map_or(0, |given| given.len()), valid);
        }
    }
}
