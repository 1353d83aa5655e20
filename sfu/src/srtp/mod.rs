//! SRTP and SRTCP (RFC 3711, RFC 7714) keyed by DTLS (RFC 5764): packets are sealed and opened in
//! the buffer they arrived in, without allocation.
//!
//! [`contexts`] turns what DTLS exported into an [`Outbound`] and an [`Inbound`] half. Outgoing
//! streams are ours, so their 48-bit packet index is the caller's; of incoming ones the rollover
//! counter and a replay window are kept here, per SSRC, and change only by packets that have
//! proven to be authentic. No key is ever changed within an association: a new DTLS handshake
//! makes new contexts.
//!
//! Public for load tools and benchmarks, which need the client's side of it.

mod cm;
mod gcm;
mod inbound;
mod keys;
mod outbound;
mod replay;
#[cfg(test)]
mod tests;

use ring::error::Unspecified;

use cm::Cm;
use gcm::Gcm;
use keys::MasterKey;

pub use inbound::{Inbound, MAX_STREAMS, Opened, Rejected};
pub use outbound::{Outbound, ProtectError};

/// Exporter label of DTLS-SRTP (RFC 5764, 4.2).
pub const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Room that sealing any RTP packet under any profile needs behind it, bytes.
pub const MAX_RTP_OVERHEAD: usize = gcm::TAG_LEN;
/// Room that sealing any RTCP packet under any profile needs behind it, bytes.
pub const MAX_RTCP_OVERHEAD: usize = gcm::TAG_LEN + TRAILER_LEN;

/// Master and session keys of every profile here are AES-128 keys.
const KEY_LEN: usize = 16;
/// RTP's fixed header, which holds the sequence number and the SSRC.
const RTP_FIXED_HEADER_LEN: usize = 12;
/// What SRTCP leaves in the clear at the front: the first header and the sender's SSRC.
const RTCP_CLEAR_LEN: usize = 8;
/// SRTCP's E flag and 31-bit index.
const TRAILER_LEN: usize = 4;
/// "This packet is encrypted" in the SRTCP trailer.
const E_FLAG: u32 = 1 << 31;

/// How packets are protected; negotiated by DTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Profile {
    /// AES-128 in Galois/counter mode, 16-byte tag (RFC 7714).
    AeadAes128Gcm,
    /// AES-128 counter mode with an 80-bit HMAC-SHA1 tag (RFC 3711), which every client has.
    AesCm128HmacSha1_80,
}

impl Profile {
    /// What we accept, best first: GCM costs a quarter of AES-CM with its separate MAC.
    pub const PREFERENCE: [Self; 2] = [Self::AeadAes128Gcm, Self::AesCm128HmacSha1_80];

    /// Its code point in the `use_srtp` extension (RFC 5764, 4.1.2; RFC 7714, 14.2).
    #[must_use]
    pub const fn code_point(self) -> u16 {
        match self {
            Self::AeadAes128Gcm => 0x0007,
            Self::AesCm128HmacSha1_80 => 0x0001,
        }
    }

    /// Length of a master key, bytes.
    #[must_use]
    pub const fn key_len(self) -> usize {
        KEY_LEN
    }

    /// Length of a master salt, bytes.
    #[must_use]
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => 12,
            Self::AesCm128HmacSha1_80 => keys::MAX_SALT_LEN,
        }
    }

    /// Length of the authentication tag of RTP and RTCP packets, bytes.
    #[must_use]
    pub const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm => gcm::TAG_LEN,
            Self::AesCm128HmacSha1_80 => cm::TAG_LEN,
        }
    }

    /// Bytes to ask of the DTLS exporter under [`EXPORTER_LABEL`].
    #[must_use]
    pub const fn exported_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }
}

/// Our side of the DTLS handshake: it says which of the exported keys are ours to send with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We sent the ClientHello.
    Client,
    /// We answered it.
    Server,
}

/// The 48-bit index of an RTP packet within its stream: rollover counter and sequence number
/// (RFC 3711, 3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RtpIndex(u64);

impl RtpIndex {
    /// How many packets one key may protect (RFC 3711, 9.2).
    const LIMIT: u64 = 1 << 48;

    /// An index counted as one number, the sequence number being its low 16 bits. `None` from
    /// 2^48 on, where the stream's key is used up.
    #[must_use]
    pub const fn new(index: u64) -> Option<Self> {
        if index < Self::LIMIT { Some(Self(index)) } else { None }
    }

    /// The index of sequence number `sequence_number` after `roc` rollovers.
    #[must_use]
    pub const fn from_parts(roc: u32, sequence_number: u16) -> Self {
        Self(((roc as u64) << 16) | sequence_number as u64)
    }

    /// The index as one number, below 2^48.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// How often the sequence number has wrapped.
    #[must_use]
    pub const fn roc(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The sequence number in the packet's header.
    #[must_use]
    pub const fn sequence_number(self) -> u16 {
        self.0 as u16
    }
}

/// Why no contexts came of what DTLS exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyingError {
    /// The exporter block does not fit the profile.
    #[error("DTLS exported {got} bytes of SRTP keys where the profile takes {expected}")]
    WrongLength {
        /// [`Profile::exported_len`], bytes.
        expected: usize,
        /// What was given, bytes.
        got: usize,
    },
    /// A cipher would not take its key.
    #[error("an SRTP session key was not usable")]
    Unusable,
}

/// Makes both directions from the block DTLS exported: client key, server key, client salt,
/// server salt (RFC 5764, 4.2). The caller wipes `exported`; nothing of it is kept here but the
/// session keys derived from it.
pub fn contexts(
    profile: Profile,
    exported: &[u8],
    role: Role,
) -> Result<(Inbound, Outbound), KeyingError> {
    let (client, server) = keys::split(profile, exported)?;
    let (ours, theirs) = match role {
        Role::Client => (client, server),
        Role::Server => (server, client),
    };
    Ok((
        Inbound::new(profile, Cipher::rtp(profile, &theirs)?, Cipher::rtcp(profile, &theirs)?),
        Outbound::new(profile, Cipher::rtp(profile, &ours)?, Cipher::rtcp(profile, &ours)?),
    ))
}

/// Session keys of one direction, for RTP or for RTCP.
///
/// Every method takes a whole packet with the room for its tag (and trailer) included, and fails
/// when the pieces do not fit or, on opening, when the tag is not authentic.
#[expect(
    clippy::large_enum_variant,
    reason = "one inline cipher per direction beats a pointer chase per packet"
)]
enum Cipher {
    Gcm(Gcm),
    Cm(Cm),
}

impl Cipher {
    fn rtp(profile: Profile, master: &MasterKey) -> Result<Self, KeyingError> {
        Self::derive(profile, master, keys::RTP)
    }

    fn rtcp(profile: Profile, master: &MasterKey) -> Result<Self, KeyingError> {
        Self::derive(profile, master, keys::RTCP)
    }

    fn derive(
        profile: Profile,
        master: &MasterKey,
        labels: keys::Labels,
    ) -> Result<Self, KeyingError> {
        let key = master.derive(labels.encryption);
        match profile {
            Profile::AeadAes128Gcm => {
                let salt = master.derive(labels.salt);
                Gcm::new(&key, &salt).map(Self::Gcm)
            }
            Profile::AesCm128HmacSha1_80 => {
                let salt = master.derive(labels.salt);
                let mac_key = master.derive(labels.authentication);
                Cm::new(&key, &salt, &mac_key).map(Self::Cm)
            }
        }
    }

    /// Encrypts what follows the header and writes the tag.
    fn seal_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: RtpIndex,
    ) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtp(packet, header_len, ssrc, index),
            Self::Cm(cm) => cm.seal_rtp(packet, header_len, ssrc, index),
        }
    }

    /// Checks the tag and decrypts what lies between header and tag.
    fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: RtpIndex,
    ) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtp(packet, header_len, ssrc, index),
            Self::Cm(cm) => cm.open_rtp(packet, header_len, ssrc, index),
        }
    }

    /// Encrypts what follows the sender's SSRC and writes tag and trailer.
    fn seal_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtcp(packet, ssrc, index),
            Self::Cm(cm) => cm.seal_rtcp(packet, ssrc, index),
        }
    }

    /// Checks the tag and decrypts what lies between the sender's SSRC and tag or trailer.
    fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Result<(), Unspecified> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, index),
            Self::Cm(cm) => cm.open_rtcp(packet, ssrc, index),
        }
    }
}

/// The big-endian word at `at`.
fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|word| u32::from_be_bytes(*word))
}

/// An RTP header's sequence number and SSRC (RFC 3550, 5.1).
fn read_rtp(header: &[u8]) -> Option<(u16, u32)> {
    let sequence_number = header.get(2..)?.first_chunk().map(|word| u16::from_be_bytes(*word))?;
    Some((sequence_number, read_u32(header, 8)?))
}
