//! The public listener as the internet meets it: TLS, HTTP/2, broken requests, restarts.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that panics has failed, and says where")]

mod support;

#[path = "support/durability.rs"]
mod clicks;

#[path = "front/acme.rs"]
mod acme;
#[path = "front/http2.rs"]
mod http2;
#[path = "front/load.rs"]
mod load;
#[path = "front/memory.rs"]
mod memory;
#[path = "front/reload.rs"]
mod reload;
#[path = "front/restart.rs"]
mod restart;
#[path = "front/rfc9112.rs"]
mod rfc9112;
#[path = "front/tls.rs"]
mod tls;
