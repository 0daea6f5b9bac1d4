//! The same edge over TLS, and the plain listener beside it, which sends everybody to TLS.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, header};
use hyper::body::Body;

use super::{Answer, Edge, reply, route};
use crate::listener::{self, Peer};

impl Edge {
    /// Answers one request that came over TLS.
    pub async fn answer_over_tls<B>(self: Arc<Self>, request: Parts, peer: Peer, body: B) -> Answer
    where
        B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>,
    {
        let hsts = self.hsts.clone();
        let mut answer = self.answer(request, peer, body).await;
        if let Some(hsts) = hsts {
            answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, hsts);
        }
        answer
    }

    /// Answers one request on the plain listener: the same path and query, by https, on the domain of
    /// ours that the host names. Its port is not looked at: that of plain HTTP is another one anyway.
    pub fn answer_plain(&self, request: &Parts) -> Answer {
        let host = match listener::admit(request) {
            Ok(host) => host,
            Err(refusal) => return self.refuse(refusal),
        };
        let is_read = matches!(request.method, Method::GET | Method::HEAD);
        if is_read && let Some(answer) = self.answer_any_host(&route(request.uri.path()), &request.method) {
            return answer;
        }
        let policy = self.policy.load();
        let Some(domain) = policy.domains.of_name(host) else {
            return self.misdirected(host);
        };
        if !is_read {
            return reply::method_not_allowed();
        }
        let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
        reply::secure(domain.location(target))
    }
}
