//! Telling the protocols on one UDP port apart (RFC 7983) and finding out whose a STUN check is.

/// What a datagram is, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Stun,
    Dtls,
    /// SRTP or SRTCP.
    Media,
}

/// Classifies by the first byte as RFC 7983 section 7 lays down; `None` is to be dropped.
pub(crate) fn classify(datagram: &[u8]) -> Option<Class> {
    match datagram.first()? {
        0..=3 => Some(Class::Stun),
        20..=63 => Some(Class::Dtls),
        128..=191 => Some(Class::Media),
        _ => None,
    }
}

const HEADER: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const ATTR_USERNAME: u16 = 0x0006;

/// The server-side ufrag in the USERNAME attribute of a STUN message (RFC 8445 section 7.2.2):
/// the part before the colon. The message's integrity is checked later, by the peer itself.
pub(crate) fn stun_ufrag(datagram: &[u8]) -> Option<&str> {
    if datagram.get(4..8)? != MAGIC_COOKIE {
        return None;
    }
    let mut rest = datagram.get(HEADER..)?;
    while let [t0, t1, l0, l1, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = tail.get(..len)?;
        if u16::from_be_bytes([*t0, *t1]) == ATTR_USERNAME {
            return std::str::from_utf8(value).ok()?.split(':').next().filter(|u| !u.is_empty());
        }
        rest = tail.get(len.next_multiple_of(4)..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn binding_request(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 0];
        message.extend(MAGIC_COOKIE);
        message.extend([7; 12]);
        for (kind, value) in attributes {
            message.extend(kind.to_be_bytes());
            message.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        message
    }

    #[test]
    fn the_ufrag_is_found_behind_other_attributes() {
        let message = binding_request(&[(0x8022, b"abc"), (ATTR_USERNAME, b"srv1:client")]);
        assert_eq!(stun_ufrag(&message), Some("srv1"));
    }

    #[test]
    fn a_length_beyond_the_end_is_no_username() {
        let mut message = binding_request(&[(ATTR_USERNAME, b"srv1:client")]);
        message.truncate(message.len() - 4);
        assert_eq!(stun_ufrag(&message), None);
    }

    proptest! {
        #[test]
        fn no_datagram_breaks_the_parser(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = classify(&bytes);
            let _ = stun_ufrag(&bytes);
            let mut stun = binding_request(&[]);
            stun.extend(bytes);
            let _ = stun_ufrag(&stun);
        }
    }
}
