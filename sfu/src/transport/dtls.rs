//! The DTLS 1.2 server of one client (RFC 6347), which gives SRTP its keys (RFC 5764).

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use bytes::BytesMut;
use ring::digest;
use rtc::{
    crypto::{RTCCryptoProvider, SecretVec},
    dtls::{
        config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
        crypto::Certificate,
        endpoint::{Endpoint, EndpointEvent},
        extension::extension_use_srtp::SrtpProtectionProfile,
    },
    shared::TransportProtocol,
};

use crate::srtp::{EXPORTER_LABEL, Profile};

/// The endpoint tells associations apart by address. Ours has one, which outlives any address of
/// the client, so it is known by this one.
const CLIENT: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Content types (RFC 5246 section 6.2.1).
const ALERT: u8 = 21;
const APPLICATION_DATA: u8 = 23;
/// Datagrams of one client that are looked at, in all its life: a handshake takes fewer than ten,
/// repeats included fewer than a hundred, and after it nothing comes but a goodbye. The crate keeps
/// fragments and early records without a limit of its own, so more would let a client fill the
/// memory; fewer could refuse a handshake over a very bad network.
const MAX_DATAGRAMS: u32 = 256;

/// What every client's handshake uses.
#[derive(Clone)]
pub(crate) struct DtlsIdentity {
    /// For clients that offer AES-GCM: with both on offer the crate would let the client's order
    /// decide, and browsers put AES-CM first, which costs half as much again per packet.
    gcm: Arc<HandshakeConfig>,
    any: Arc<HandshakeConfig>,
    fingerprint: String,
}

impl fmt::Debug for DtlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsIdentity")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl DtlsIdentity {
    /// One self-signed certificate for the life of the process: its fingerprint is in every
    /// answer, so a chain of trust adds nothing (RFC 8827 section 6.5).
    pub(crate) fn generate(
        provider: &Arc<dyn RTCCryptoProvider>,
    ) -> Result<Self, rtc::shared::error::Error> {
        let certificate =
            Certificate::generate_self_signed(vec!["vbranch".to_owned()], provider.crypto())?;
        let der = certificate.certificate.first().map(AsRef::as_ref).unwrap_or_default();
        let fingerprint = hex(digest::digest(&digest::SHA256, der).as_ref());
        let config = |profiles: &[SrtpProtectionProfile]| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                .with_srtp_protection_profiles(profiles.to_vec())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                // The certificate is checked against the fingerprint in the offer instead.
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .build(false, None)
                .map(Arc::new)
        };
        let (gcm, cm) = (
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        );
        Ok(Self { gcm: config(&[gcm])?, any: config(&[gcm, cm])?, fingerprint })
    }

    /// SHA-256 of our certificate as in `a=fingerprint` (RFC 8122 section 5).
    pub(crate) fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// A certificate's digest as the offer gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// `sha-256` and its longer sisters.
    pub(crate) algorithm: String,
    /// Upper-case hex with colons.
    pub(crate) value: String,
}

impl Fingerprint {
    /// `None` for digests that are too weak or unknown to us.
    fn digest_of(&self, certificate: &[u8]) -> Option<String> {
        let algorithm = match self.algorithm.to_ascii_lowercase().as_str() {
            "sha-256" => &digest::SHA256,
            "sha-384" => &digest::SHA384,
            "sha-512" => &digest::SHA512,
            _ => return None,
        };
        Some(hex(digest::digest(algorithm, certificate).as_ref()))
    }

    fn matches(&self, certificate: &[u8]) -> bool {
        self.digest_of(certificate).is_some_and(|d| d.eq_ignore_ascii_case(&self.value))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02X}")).collect::<Vec<_>>().join(":")
}

/// What a datagram brought about.
pub(crate) enum DtlsEvent {
    /// The handshake is through and the client's certificate is the one in its offer.
    Established { profile: Profile, keying: SecretVec },
    /// The handshake is through, but with somebody else.
    WrongCertificate,
    /// The client closed the connection.
    Closed,
}

/// The DTLS state of one client.
pub(crate) struct Dtls {
    identity: DtlsIdentity,
    /// Made with the first datagram, which says which configuration to use.
    endpoint: Option<Endpoint>,
    expected: Vec<Fingerprint>,
    established: bool,
    /// Datagrams looked at.
    taken: u32,
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtls").field("established", &self.established).finish_non_exhaustive()
    }
}

impl Dtls {
    pub(crate) fn new(identity: DtlsIdentity, expected: Vec<Fingerprint>) -> Self {
        Self { identity, endpoint: None, expected, established: false, taken: 0 }
    }

    /// The fingerprints in the client's offer.
    pub(crate) fn expected(&self) -> &[Fingerprint] {
        &self.expected
    }

    /// Takes a datagram. What is malformed or out of place is dropped: anyone who can spoof an
    /// address could send it, so it must not end a handshake.
    pub(crate) fn handle(&mut self, now: Instant, datagram: &[u8]) -> Option<DtlsEvent> {
        // Alerts and data before there are keys can come from anyone (RFC 6347 section 4.1.2.7).
        let forgeable = matches!(datagram.first(), Some(&ALERT | &APPLICATION_DATA));
        if (forgeable && !self.established) || self.taken >= MAX_DATAGRAMS {
            return None;
        }
        self.taken += 1;
        let identity = &self.identity;
        let endpoint = self.endpoint.get_or_insert_with(|| {
            let config =
                if offers_gcm(datagram) { identity.gcm.clone() } else { identity.any.clone() };
            Endpoint::new(CLIENT, TransportProtocol::UDP, Some(config))
        });
        let events = match endpoint.read(now, CLIENT, None, BytesMut::from(datagram)) {
            Ok(events) => events,
            Err(error) => {
                tracing::debug!(%error, "DTLS");
                return None;
            }
        };
        let mut result = None;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete if !self.established => {
                    self.established = true;
                    result = Some(self.finish());
                }
                EndpointEvent::PeerClosed => result = Some(DtlsEvent::Closed),
                _ => {}
            }
        }
        result
    }

    /// The next datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        Some(self.endpoint.as_mut()?.poll_transmit()?.message)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.endpoint.as_ref().filter(|_| !self.established)?.poll_timeout(&CLIENT)
    }

    /// Repeats a flight that went unanswered.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint
            && let Err(error) = endpoint.handle_timeout(CLIENT, now)
        {
            tracing::debug!(%error, "DTLS timer");
        }
    }

    /// Queues a close_notify, so that the client need not wait for a timeout.
    pub(crate) fn close(&mut self, now: Instant) {
        if let Some(endpoint) = &mut self.endpoint {
            let _ = endpoint.stop(now, CLIENT);
        }
    }

    fn finish(&self) -> DtlsEvent {
        let state = self.endpoint.as_ref().and_then(|e| e.get_connection_state(CLIENT));
        let Some(state) = state else { return DtlsEvent::Closed };
        let certificate = state.peer_certificates.first().map(Vec::as_slice).unwrap_or_default();
        if !self.expected.iter().any(|f| f.matches(certificate)) {
            return DtlsEvent::WrongCertificate;
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::AesCm128HmacSha1_80,
            _ => return DtlsEvent::Closed,
        };
        match state.export_keying_material(EXPORTER_LABEL, &[], profile.exported_len()) {
            Ok(keying) => DtlsEvent::Established { profile, keying },
            Err(error) => {
                tracing::warn!(%error, "DTLS gave no keys");
                DtlsEvent::Closed
            }
        }
    }
}

/// Whether a ClientHello offers SRTP_AEAD_AES_128_GCM. A hello that is fragmented before its
/// `use_srtp` extension counts as not offering it: the client's own order then decides.
fn offers_gcm(datagram: &[u8]) -> bool {
    let gcm = Profile::AeadAes128Gcm.code_point().to_be_bytes();
    use_srtp(datagram).is_some_and(|profiles| profiles.chunks_exact(2).any(|p| p == gcm))
}

/// The profile list of the `use_srtp` extension (RFC 5764 section 4.1.1) of a ClientHello.
fn use_srtp(datagram: &[u8]) -> Option<&[u8]> {
    const RECORD: usize = 13;
    const HANDSHAKE: usize = 12;
    const VERSION_AND_RANDOM: usize = 34;
    const USE_SRTP: u16 = 14;
    if datagram.first() != Some(&22) || datagram.get(RECORD) != Some(&1) {
        return None;
    }
    let rest = datagram.get(RECORD + HANDSHAKE + VERSION_AND_RANDOM..)?;
    let (_session, rest) = split_u8(rest)?;
    let (_cookie, rest) = split_u8(rest)?;
    let (_suites, rest) = split_u16(rest)?;
    let (_compression, rest) = split_u8(rest)?;
    // The list's length is that of the whole hello; a fragment holds less of it.
    let mut extensions = rest.get(2..)?;
    loop {
        let (&[k0, k1], tail) = extensions.split_first_chunk::<2>()?;
        let (body, tail) = split_u16(tail)?;
        if u16::from_be_bytes([k0, k1]) == USE_SRTP {
            return split_u16(body).map(|(profiles, _)| profiles);
        }
        extensions = tail;
    }
}

fn split_u8(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&len, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(len))
}

fn split_u16(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rtc::crypto::default_provider;
    use vbranch_domain::{Mono, SystemClock};

    use super::*;

    struct Client {
        endpoint: Endpoint,
        fingerprint: Fingerprint,
    }

    fn client(profiles: &[SrtpProtectionProfile], now: Instant) -> Client {
        let provider = default_provider().unwrap();
        let certificate =
            Certificate::generate_self_signed(vec!["c".to_owned()], provider.crypto()).unwrap();
        let value = hex(digest::digest(&digest::SHA256, &certificate.certificate[0]).as_ref());
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider)
            .with_certificates(vec![certificate])
            .with_srtp_protection_profiles(profiles.to_vec())
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Require)
            .build(true, None)
            .unwrap();
        let mut endpoint = Endpoint::new(CLIENT, TransportProtocol::UDP, None);
        endpoint.connect(now, CLIENT, Arc::new(config), None).unwrap();
        Client { endpoint, fingerprint: Fingerprint { algorithm: "sha-256".into(), value } }
    }

    fn shake(client: &mut Client, server: &mut Dtls, now: Instant) -> Option<DtlsEvent> {
        let mut result = None;
        for _ in 0..20 {
            while let Some(out) = client.endpoint.poll_transmit() {
                if let Some(event) = server.handle(now, &out.message) {
                    result = Some(event);
                }
            }
            while let Some(out) = server.poll_transmit() {
                let _ = client.endpoint.read(now, CLIENT, None, out);
            }
        }
        result
    }

    fn start() -> Instant {
        SystemClock::start().instant(Mono::ZERO)
    }

    #[test]
    fn gcm_is_taken_though_the_client_would_rather_not_and_cm_where_there_is_nothing_else() {
        use SrtpProtectionProfile::{
            Srtp_Aead_Aes_128_Gcm as Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80 as Cm,
        };
        let identity = DtlsIdentity::generate(&default_provider().unwrap()).unwrap();
        for (offered, expected) in
            [(vec![Cm, Gcm], Profile::AeadAes128Gcm), (vec![Cm], Profile::AesCm128HmacSha1_80)]
        {
            let mut client = client(&offered, start());
            let mut server = Dtls::new(identity.clone(), vec![client.fingerprint.clone()]);
            let event = shake(&mut client, &mut server, start());
            let Some(DtlsEvent::Established { profile, keying }) = event else {
                panic!("no handshake")
            };
            assert_eq!(profile, expected);
            let theirs = client.endpoint.get_connection_state(CLIENT).unwrap();
            let theirs = theirs.export_keying_material(EXPORTER_LABEL, &[], profile.exported_len());
            assert_eq!(keying.as_ref(), theirs.unwrap().as_ref());
        }
    }

    #[test]
    fn a_certificate_that_is_not_the_offers_is_refused() {
        let identity = DtlsIdentity::generate(&default_provider().unwrap()).unwrap();
        let mut client = client(&[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm], start());
        let other =
            Fingerprint { algorithm: "sha-256".into(), value: identity.fingerprint().into() };
        let mut server = Dtls::new(identity, vec![other]);
        let event = shake(&mut client, &mut server, start());
        assert!(matches!(event, Some(DtlsEvent::WrongCertificate)));
    }

    #[test]
    fn an_alert_that_anyone_could_send_does_not_end_a_handshake() {
        let identity = DtlsIdentity::generate(&default_provider().unwrap()).unwrap();
        let mut client = client(&[SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm], start());
        let mut server = Dtls::new(identity, vec![client.fingerprint.clone()]);
        let goodbye = [21, 254, 253, 0, 0, 0, 0, 0, 0, 9, 9, 0, 2, 1, 0];
        let hello = client.endpoint.poll_transmit().unwrap();
        assert!(server.handle(start(), &hello.message).is_none());
        assert!(server.handle(start(), &goodbye).is_none());
        let event = shake(&mut client, &mut server, start());
        assert!(matches!(event, Some(DtlsEvent::Established { .. })));
        assert!(server.handle(start(), &goodbye).is_none());
    }

    #[test]
    fn a_client_gets_so_many_datagrams_and_no_more() {
        let identity = DtlsIdentity::generate(&default_provider().unwrap()).unwrap();
        let mut server = Dtls::new(identity, vec![]);
        // A fragment of nothing, of a message far ahead: it would be kept for ever.
        let fragment = [11, 0, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0];
        for n in 0..1000u16 {
            let [a, b] = n.to_be_bytes();
            let record = [&[22, 254, 253, 0, 0, 0, 0, 0, 0, a, b, 0, 12][..], &fragment].concat();
            assert!(server.handle(start(), &record).is_none());
        }
        assert_eq!(server.taken, MAX_DATAGRAMS);
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_server(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let identity = DtlsIdentity::generate(&default_provider().unwrap()).unwrap();
            let mut server = Dtls::new(identity, vec![]);
            let mut hello = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, bytes.len() as u8, 1];
            hello.extend(&bytes);
            for input in [&bytes, &hello] {
                let _ = use_srtp(input);
                let event = server.handle(start(), input);
                prop_assert!(event.is_none());
            }
        }
    }
}
