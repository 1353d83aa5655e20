//! Addresses from which more than one client speaks: a gateway that runs several clients on one
//! port, a port that went from one client to the next, or a forged source of somebody's check.
//!
//! A packet from there is everybody's whose address it is, until it has proved whose it is.

use std::net::SocketAddr;

use super::{FastMap, Now, Shard};
use crate::{call::PeerKey, io::MAX_PACKET, transport::Path};

/// Clients told apart at one address. Each costs an attempt to open every packet from there; the
/// one that came first makes room.
const MAX_SHARERS: usize = 4;

/// Who speaks from the addresses that are not one client's alone; nearly always empty.
#[derive(Debug, Default)]
pub(super) struct SharedAddresses(FastMap<SocketAddr, [Option<PeerKey>; MAX_SHARERS]>);

impl SharedAddresses {
    /// Whose the address is, if of several.
    pub(super) fn sharers(&self, address: SocketAddr) -> Option<[Option<PeerKey>; MAX_SHARERS]> {
        if self.0.is_empty() { None } else { self.0.get(&address).copied() }
    }

    /// An address of `former` has proved to be `newer`'s as well.
    pub(super) fn share(&mut self, address: SocketAddr, former: PeerKey, newer: PeerKey) {
        let sharers = self.0.entry(address).or_default();
        for key in [former, newer] {
            if !sharers.contains(&Some(key)) {
                sharers.rotate_right(1);
                if let Some(first) = sharers.first_mut() {
                    *first = Some(key);
                }
            }
        }
    }

    /// The address is not this client's any more.
    pub(super) fn forget(&mut self, address: SocketAddr, key: PeerKey) {
        let Some(sharers) = self.0.get_mut(&address) else { return };
        for sharer in sharers.iter_mut().filter(|sharer| **sharer == Some(key)) {
            *sharer = None;
        }
        if sharers.iter().flatten().count() < 2 {
            self.0.remove(&address);
        }
    }
}

impl Shard {
    /// Media of one of several clients. A packet that a client's keys do not open is spoilt, hence
    /// the copies; only packets from shared addresses cost them.
    pub(super) fn handle_shared_media(
        &mut self,
        now: Now,
        sharers: [Option<PeerKey>; MAX_SHARERS],
        path: Path,
        packet: &[u8],
    ) {
        let mut buffer = [0; MAX_PACKET];
        for key in sharers.into_iter().flatten() {
            let Some(copy) = buffer.get_mut(..packet.len()) else { return };
            copy.copy_from_slice(packet);
            let opened = |shard: &Self| shard.peers.get(&key).map(|m| m.peer.opened());
            let before = opened(self);
            self.handle_media(now, key, path, copy);
            if opened(self) != before {
                return;
            }
        }
    }

    /// DTLS of one of several clients: whose handshake goes on, if any's does. What is encrypted
    /// means nothing to the others.
    pub(super) fn handle_shared_dtls(
        &mut self,
        now: Now,
        sharers: [Option<PeerKey>; MAX_SHARERS],
        datagram: &[u8],
    ) {
        let connected = |key: &PeerKey| self.peers.get(key).is_some_and(|m| m.peer.is_connected());
        let keys = sharers.into_iter().flatten();
        let (established, beginning): (Vec<_>, Vec<_>) = keys.partition(connected);
        for key in if beginning.is_empty() { established } else { beginning } {
            self.handle_dtls(now, key, datagram);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shared_while_more_than_one_client_has_it() {
        let (mut shared, address) = (SharedAddresses::default(), ([127, 0, 0, 1], 9).into());
        let sharers = |shared: &SharedAddresses| {
            let mut keys: Vec<PeerKey> =
                shared.sharers(address).into_iter().flatten().flatten().collect();
            keys.sort_unstable();
            keys
        };
        assert_eq!(shared.sharers(address), None);
        shared.share(address, 1, 2);
        shared.share(address, 2, 1);
        assert_eq!(sharers(&shared), [1, 2]);
        for newer in 3..=9 {
            shared.share(address, newer - 1, newer);
        }
        assert_eq!(sharers(&shared), [6, 7, 8, 9]);
        for key in [6, 8, 7] {
            shared.forget(address, key);
        }
        assert_eq!(shared.sharers(address), None);
    }
}
