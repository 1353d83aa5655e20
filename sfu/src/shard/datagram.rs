//! Whose a datagram is, and by which ways a client is reached.
//!
//! An address is a client's once a STUN check, or media that its keys open, came from there.

use super::{Now, Shard};
use crate::{
    call::PeerKey,
    io::MAX_PACKET,
    rtp::{is_rtcp, ssrc_of},
    transport::{
        Path, TcpId,
        demux::{Class, classify, stun_ufrag},
    },
};

/// Addresses remembered per peer; the oldest makes room. A roaming phone uses a few at a time.
const MAX_ADDRESSES: usize = 16;
/// TCP connections of one peer: a client makes one for each pair of its and our addresses, and
/// says later which it will use.
const MAX_TCP: usize = 4;

impl Shard {
    /// Takes one datagram, or one frame of a TCP connection.
    pub(super) fn handle_datagram(&mut self, now: Now, path: Path, datagram: &mut [u8]) {
        if datagram.len() > MAX_PACKET {
            return;
        }
        let known = match path {
            Path::Udp { remote, .. } => self.by_address.get(&remote).copied(),
            Path::Tcp { id, .. } => self.by_tcp.get(&id).copied(),
        };
        let class = classify(datagram);
        if let Path::Udp { remote, .. } = path
            && let Some(sharers) = self.shared.sharers(remote)
        {
            match class {
                Some(Class::Media) => {
                    return self.handle_shared_media(now, sharers, path, datagram);
                }
                Some(Class::Dtls) => return self.handle_shared_dtls(now, sharers, datagram),
                Some(Class::Stun) | None => {}
            }
        }
        match (class, known) {
            (Some(Class::Media), Some(key)) => self.handle_media(now, key, path, datagram),
            (Some(Class::Media), None) => self.handle_stray(now, path, datagram),
            (Some(Class::Stun), known) => self.handle_stun(now, path, datagram, known),
            (Some(Class::Dtls), Some(key)) => self.handle_dtls(now, key, datagram),
            _ => {}
        }
    }

    pub(super) fn handle_dtls(&mut self, now: Now, key: PeerKey, datagram: &[u8]) {
        if let Some(member) = self.peers.get_mut(&key) {
            member.peer.handle_dtls(now.mono, now.instant, datagram);
            self.settle(key, now);
        }
    }

    pub(super) fn handle_media(&mut self, now: Now, key: PeerKey, path: Path, packet: &mut [u8]) {
        if is_rtcp(packet) {
            if let Some(member) = self.peers.get_mut(&key) {
                member.peer.handle_rtcp(now.mono, path, packet);
                self.settle(key, now);
            }
        } else {
            self.route(now, key, path, packet);
        }
    }

    /// Media from an address nobody proved yet. A client whose address translator has rebound goes
    /// on sending: its packets prove who it is, before its next check would.
    fn handle_stray(&mut self, now: Now, path: Path, packet: &mut [u8]) {
        let Some(key) = ssrc_of(packet).and_then(|ssrc| self.by_ssrc.get(&ssrc)).copied() else {
            return;
        };
        let heard = |shard: &Self| shard.peers.get(&key).map(|m| m.peer.opened());
        let before = heard(self);
        self.handle_media(now, key, path, packet);
        if heard(self) != before {
            self.learn_path(key, path);
        }
    }

    fn handle_stun(&mut self, now: Now, path: Path, datagram: &[u8], known: Option<PeerKey>) {
        // A browser may use one port for a new connection: the ufrag decides, not the address.
        let key = match stun_ufrag(datagram) {
            Some(ufrag) => self.by_ufrag.get(ufrag).copied(),
            None => known,
        };
        let Some(key) = key else { return };
        let Some(member) = self.peers.get_mut(&key) else { return };
        let crypto = self.setup.crypto.crypto();
        let Some(check) = member.peer.handle_stun(now.mono, path, datagram, crypto) else {
            return;
        };
        if known != Some(key) {
            self.learn_path(key, path);
        }
        self.answer(path, &check.response);
        if check.moved {
            // What waited for a way can go.
            self.mark_dirty(key);
        }
    }

    /// Sends one datagram at once, where its question came from.
    fn answer(&mut self, path: Path, bytes: &[u8]) {
        let sent = match path {
            Path::Udp { remote, local } => self.udp.send(remote, local, bytes, bytes.len()).is_ok(),
            Path::Tcp { id, .. } => {
                let sent = self.tcp.send(id, bytes);
                self.tcp.flush(id);
                sent
            }
        };
        if !sent {
            self.send_drops.increment(1);
        }
    }

    /// An address has proved to be a client's.
    fn learn_path(&mut self, key: PeerKey, path: Path) {
        let Some(member) = self.peers.get_mut(&key) else { return };
        match path {
            Path::Udp { remote, .. } => {
                member.addresses.retain(|known| *known != remote);
                if member.addresses.len() >= MAX_ADDRESSES {
                    let oldest = member.addresses.remove(0);
                    self.shared.forget(oldest, key);
                    if self.by_address.get(&oldest) == Some(&key) {
                        self.by_address.remove(&oldest);
                        self.addresses.decrement(1);
                    }
                }
                member.addresses.push(remote);
                match self.by_address.insert(remote, key) {
                    Some(former) if former != key => self.shared.share(remote, former, key),
                    Some(_) => {}
                    None => self.addresses.increment(1),
                }
            }
            Path::Tcp { id, .. } => {
                self.tcp.prove(id);
                member.tcp.retain(|known| *known != id);
                if member.tcp.len() >= MAX_TCP {
                    let path = member.peer.path();
                    let in_use = |id: &TcpId| matches!(path, Some(Path::Tcp { id: used, .. }) if used == *id);
                    let oldest = member.tcp.iter().position(|id| !in_use(id)).unwrap_or(0);
                    let oldest = member.tcp.remove(oldest);
                    self.tcp.close(oldest);
                    self.by_tcp.remove(&oldest);
                }
                member.tcp.push(id);
                self.by_tcp.insert(id, key);
            }
        }
    }
}
