//! How many connections one address may have open at once, so that nobody alone takes all there are.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::address::{Network, Proxies};

/// The connections of each network. As large as there are connections, and no larger.
pub struct Caps {
    most: usize,
    /// Everybody comes by these: they have no cap.
    proxies: Arc<Proxies>,
    /// Written when a connection opens and closes, under the lock; a network that has none is not in it.
    open: Mutex<HashMap<Network, usize>>,
    refused: AtomicU64,
}

/// A connection's place among those of its network, until it is dropped.
pub struct Place {
    counted: Option<(Arc<Caps>, Network)>,
}

impl Caps {
    /// At most `most` connections for each network but those of `proxies`.
    pub fn new(most: usize, proxies: Arc<Proxies>) -> Self {
        Self { most, proxies, open: Mutex::default(), refused: AtomicU64::new(0) }
    }

    /// A place for a connection; None when its network has as many as it may.
    pub fn place(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        if self.proxies.has(peer) {
            return Some(Place { counted: None });
        }
        let network = Network::of(peer);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.entry(network).or_default();
        if *own >= self.most {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        *own += 1;
        Some(Place { counted: Some((self.clone(), network)) })
    }

    /// Counter: connections that were closed at once.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((caps, network)) = self.counted.take() else { return };
        let mut open = caps.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&network) {
            *own -= 1;
            if *own == 0 {
                open.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::ForwardedBy;
    use super::*;

    #[test]
    fn a_network_has_its_places_and_no_more() {
        let networks = vec!["10.0.0.0/8".parse().unwrap()];
        let proxies = Proxies { networks, header: ForwardedBy::XForwardedFor };
        let caps = Arc::new(Caps::new(2, Arc::new(proxies)));
        let place = |peer: &str| caps.place(peer.parse().unwrap());
        let (first, _second) = (place("2001:db8::1"), place("2001:db8::2"));
        assert!(first.is_some() && place("2001:db8::3").is_none() && place("2001:db8:0:1::1").is_some());
        let of_proxy: Vec<_> = (0..9).filter_map(|_| place("10.0.0.1")).collect();
        assert_eq!(of_proxy.len(), 9, "a proxy of one's own has no cap");
        drop(first);
        let third = place("2001:db8::3");
        assert!(third.is_some() && caps.refused() == 1);
        drop((third, _second, of_proxy));
        assert!(caps.open.lock().unwrap().is_empty(), "who has gone is forgotten");
    }
}
