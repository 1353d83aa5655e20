//! An ICE-lite agent (RFC 8445 section 2.5): it answers checks and follows the nominated path.
//!
//! Only a message that was made with our password may change anything or be answered: whoever
//! merely guesses an address or a username gets silence, so that nobody can be reflected at.

use std::fmt;

use rtc::{
    crypto::RTCCrypto,
    stun::{
        attributes::{ATTR_ICE_CONTROLLED, ATTR_USE_CANDIDATE, ATTR_USERNAME},
        error_code::ErrorCode,
        fingerprint::FINGERPRINT,
        integrity::MessageIntegrity,
        message::{
            BINDING_REQUEST, CLASS_ERROR_RESPONSE, METHOD_BINDING, Message, MessageType, Setter,
        },
        xoraddr::XorMappedAddress,
    },
};

use super::Path;

/// Role conflict (RFC 8445 section 7.3.1.1): a lite agent is always controlled.
const ROLE_CONFLICT: ErrorCode = ErrorCode(487);
/// Largest STUN message looked at. Binding requests are below 200 bytes.
const MAX_MESSAGE: usize = 1024;

/// A username fragment and its password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) ufrag: String,
    pub(crate) password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Our credentials and what the client must name beside them.
#[derive(Debug)]
struct Generation {
    local: Credentials,
    remote_ufrag: String,
}

/// The state of one client's ICE.
#[derive(Debug)]
pub(crate) struct IceLite {
    current: Generation,
    /// The one before a restart: valid until the new one has been used (RFC 8445 section 2.4).
    former: Option<Generation>,
    selected: Option<Path>,
}

/// An authenticated check.
#[derive(Debug)]
pub(crate) struct Check {
    /// Send this to where the request came from.
    pub(crate) response: Vec<u8>,
    /// Media now goes another way than before.
    pub(crate) moved: bool,
}

impl IceLite {
    pub(crate) fn new(local: Credentials, remote_ufrag: String) -> Self {
        Self { current: Generation { local, remote_ufrag }, former: None, selected: None }
    }

    /// Our fragment: how the client's checks are told from other clients'.
    pub(crate) fn ufrag(&self) -> &str {
        &self.current.local.ufrag
    }

    /// The fragment of before a restart, while it is still good.
    pub(crate) fn former_ufrag(&self) -> Option<&str> {
        self.former.as_ref().map(|f| f.local.ufrag.as_str())
    }

    pub(crate) fn local(&self) -> &Credentials {
        &self.current.local
    }

    /// Whether the present generation is with this fragment of the client's.
    pub(crate) fn is_of(&self, remote_ufrag: &str) -> bool {
        self.current.remote_ufrag == remote_ufrag
    }

    /// Where media goes, once a check has come in.
    pub(crate) fn selected(&self) -> Option<Path> {
        self.selected
    }

    /// Follows a client whose authenticated media comes from elsewhere: its network address
    /// translator has rebound, and its next check would only say so later.
    pub(crate) fn follow(&mut self, path: Path) {
        self.selected = Some(path);
    }

    /// Starts a new generation (RFC 8445 section 9). The old path stays until a check with the
    /// new credentials moves it.
    pub(crate) fn restart(&mut self, local: Credentials, remote_ufrag: String) {
        let new = Generation { local, remote_ufrag };
        self.former = Some(std::mem::replace(&mut self.current, new));
    }

    /// Takes a STUN message. `None` for everything that is not a binding request made with our
    /// password: it is to be ignored.
    pub(crate) fn handle(
        &mut self,
        path: Path,
        datagram: &[u8],
        crypto: &dyn RTCCrypto,
    ) -> Option<Check> {
        if datagram.len() > MAX_MESSAGE {
            return None;
        }
        let mut request = Message { raw: datagram.to_vec(), ..Message::new() };
        request.decode().ok().filter(|()| request.typ == BINDING_REQUEST)?;
        let is_current = self.authenticate(&mut request, crypto)?;
        let password = if is_current {
            &self.current.local.password
        } else {
            &self.former.as_ref()?.local.password
        };
        if request.contains(ATTR_ICE_CONTROLLED) {
            let response = respond_conflict(&request, password, crypto)?;
            return Some(Check { response, moved: false });
        }
        let response = respond(&request, path, password, crypto)?;
        let nominated = request.contains(ATTR_USE_CANDIDATE);
        let moved = (nominated || self.selected.is_none()) && self.selected != Some(path);
        if moved {
            self.selected = Some(path);
        }
        if is_current && nominated {
            self.former = None;
        }
        Some(Check { response, moved })
    }

    /// Whether the message is of the current generation (or the former); `None` where of neither.
    fn authenticate(&self, request: &mut Message, crypto: &dyn RTCCrypto) -> Option<bool> {
        let username = request.get(ATTR_USERNAME).ok()?;
        let is_current = self.current.names(&username);
        let generation = if is_current {
            &self.current
        } else {
            self.former.as_ref().filter(|former| former.names(&username))?
        };
        MessageIntegrity::check(request, generation.local.password.as_bytes(), crypto).ok()?;
        Some(is_current)
    }
}

impl Generation {
    /// USERNAME is "ours:theirs" in what we receive (RFC 8445 section 7.2.2).
    fn names(&self, username: &[u8]) -> bool {
        let ours = self.local.ufrag.as_bytes();
        username
            .strip_prefix(ours)
            .and_then(|rest| rest.strip_prefix(b":"))
            .is_some_and(|theirs| theirs == self.remote_ufrag.as_bytes())
    }
}

fn respond(
    request: &Message,
    path: Path,
    password: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Vec<u8>> {
    let remote = path.remote();
    let mapped = XorMappedAddress { ip: remote.ip().to_canonical(), port: remote.port() };
    let success = rtc::stun::message::BINDING_SUCCESS;
    sign(request, success, Box::new(mapped), password, crypto)
}

fn respond_conflict(request: &Message, password: &str, crypto: &dyn RTCCrypto) -> Option<Vec<u8>> {
    let error = MessageType { method: METHOD_BINDING, class: CLASS_ERROR_RESPONSE };
    sign(request, error, Box::new(ROLE_CONFLICT), password, crypto)
}

fn sign(
    request: &Message,
    kind: MessageType,
    body: Box<dyn Setter>,
    password: &str,
    crypto: &dyn RTCCrypto,
) -> Option<Vec<u8>> {
    let integrity =
        MessageIntegrity::new_short_term_integrity_with_provider(password.to_owned(), crypto);
    let mut response = Message::new();
    response
        .build(&[
            Box::new(request.transaction_id),
            Box::new(kind),
            body,
            Box::new(integrity),
            Box::new(FINGERPRINT),
        ])
        .ok()?;
    Some(response.raw)
}

/// Consent freshness (RFC 7675), from the side that only answers: a client whose authenticated
/// checks or media stopped coming *from where it is sent to* has withdrawn its consent. The RFC
/// allows 30 s; this is shorter so that the other party is not left with a frozen picture, and long
/// enough for a lift ride.
pub(crate) const SILENCE: std::time::Duration = std::time::Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::{net::SocketAddr, sync::Arc};

    use proptest::prelude::*;
    use rtc::{
        crypto::{RTCCryptoProvider, default_provider},
        stun::{
            attributes::{ATTR_ERROR_CODE, ATTR_ICE_CONTROLLING},
            message::TransactionId,
            textattrs::TextAttribute,
        },
    };

    use super::*;

    struct Flag(rtc::stun::attributes::AttrType);
    impl Setter for Flag {
        fn add_to(&self, m: &mut Message) -> rtc::shared::error::Result<()> {
            m.add(self.0, &[]);
            Ok(())
        }
    }

    fn provider() -> Arc<dyn RTCCryptoProvider> {
        default_provider().unwrap()
    }

    fn credentials(n: u8) -> Credentials {
        Credentials {
            ufrag: format!("srv{n}"),
            password: format!("a password of ours, number {n}"),
        }
    }

    fn path(port: u16) -> Path {
        let remote: SocketAddr = ([192, 0, 2, 1], port).into();
        Path::Udp { remote, local: [127, 0, 0, 1].into() }
    }

    fn check(username: &str, password: &str, flags: &[rtc::stun::attributes::AttrType]) -> Vec<u8> {
        let provider = provider();
        let mut setters: Vec<Box<dyn Setter + '_>> = vec![
            Box::new(TransactionId::new()),
            Box::new(BINDING_REQUEST),
            Box::new(TextAttribute::new(ATTR_USERNAME, username.into())),
        ];
        for flag in flags {
            setters.push(Box::new(Flag(*flag)));
        }
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(
            password.into(),
            provider.crypto(),
        )));
        setters.push(Box::new(FINGERPRINT));
        let mut message = Message::new();
        message.build(&setters).unwrap();
        message.raw
    }

    fn agent() -> IceLite {
        IceLite::new(credentials(1), "cli".into())
    }

    #[test]
    fn a_check_is_answered_with_the_address_it_came_from_and_moves_media_there() {
        let (mut ice, provider) = (agent(), provider());
        let pw = credentials(1).password;
        let first = ice.handle(path(1), &check("srv1:cli", &pw, &[]), provider.crypto()).unwrap();
        assert!(first.moved, "the first valid path is used until one is nominated");
        let mut response = Message { raw: first.response, ..Message::new() };
        response.decode().unwrap();
        MessageIntegrity::check(&mut response, pw.as_bytes(), provider.crypto()).unwrap();
        let mut mapped = XorMappedAddress::default();
        use rtc::stun::message::Getter;
        mapped.get_from(&response).unwrap();
        assert_eq!(mapped.port, 1);
        let second = ice.handle(path(2), &check("srv1:cli", &pw, &[]), provider.crypto()).unwrap();
        assert!(!second.moved);
        let nominated = check("srv1:cli", &pw, &[ATTR_USE_CANDIDATE]);
        assert!(ice.handle(path(2), &nominated, provider.crypto()).unwrap().moved);
        assert_eq!(ice.selected(), Some(path(2)));
    }

    #[test]
    fn who_does_not_know_the_password_gets_silence() {
        let (mut ice, provider) = (agent(), provider());
        let pw = credentials(1).password;
        for (user, password) in [("srv1:cli", "wrong"), ("srv1:other", &pw), ("srv2:cli", &pw)] {
            assert!(ice.handle(path(1), &check(user, password, &[]), provider.crypto()).is_none());
        }
        let mut damaged = check("srv1:cli", &pw, &[]);
        damaged[30] ^= 1;
        assert!(ice.handle(path(1), &damaged, provider.crypto()).is_none());
        assert_eq!(ice.selected(), None);
    }

    #[test]
    fn a_client_that_claims_to_be_controlled_is_told_so() {
        let (mut ice, provider) = (agent(), provider());
        let pw = credentials(1).password;
        let request = check("srv1:cli", &pw, &[ATTR_ICE_CONTROLLED]);
        let answer = ice.handle(path(1), &request, provider.crypto()).unwrap();
        let mut response = Message { raw: answer.response, ..Message::new() };
        response.decode().unwrap();
        assert!(response.contains(ATTR_ERROR_CODE));
        assert_eq!(ice.selected(), None);
    }

    #[test]
    fn after_a_restart_both_generations_work_until_the_new_one_is_nominated() {
        let (mut ice, provider) = (agent(), provider());
        let old = check("srv1:cli", &credentials(1).password, &[ATTR_USE_CANDIDATE]);
        assert!(ice.handle(path(1), &old, provider.crypto()).is_some());
        ice.restart(credentials(2), "cli2".into());
        assert!(ice.handle(path(1), &old, provider.crypto()).is_some());
        let flags = [ATTR_ICE_CONTROLLING, ATTR_USE_CANDIDATE];
        let new = check("srv2:cli2", &credentials(2).password, &flags);
        assert!(ice.handle(path(3), &new, provider.crypto()).unwrap().moved);
        assert!(ice.handle(path(1), &old, provider.crypto()).is_none());
        assert_eq!(ice.selected(), Some(path(3)));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_agent(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
            let (mut ice, provider) = (agent(), provider());
            let mut framed = vec![0, 1, 0, bytes.len() as u8, 0x21, 0x12, 0xa4, 0x42];
            framed.extend([7; 12]);
            framed.extend(&bytes);
            for input in [&bytes, &framed] {
                prop_assert!(ice.handle(path(1), input, provider.crypto()).is_none());
            }
        }
    }
}
