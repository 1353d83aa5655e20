//! The one thing the branch itself reads of an offer (RFC 8866): whether it is to send. All else of
//! it is the media plane's.

/// Whether the offer is to send sound or pictures in any of its media sections.
///
/// Strict, as it keeps out who may not send: a section is to receive only where it says so, or its
/// session for all that say nothing (section 6.7), and nothing is said against it.
pub fn sends(offer: &str) -> bool {
    let mut session = Direction::default();
    let mut section: Option<Section> = None;
    // A line ended by a lone CR must not hide what follows it.
    for line in offer.split(['\r', '\n']) {
        if line.starts_with("m=") {
            if section.replace(Section::begin(line)).is_some_and(|done| done.sends(session)) {
                return true;
            }
        } else if let Some(section) = &mut section {
            section.read(line);
        } else {
            session.read(line);
        }
    }
    section.is_some_and(|last| last.sends(session))
}

/// What a session or a media section says of its direction.
#[derive(Clone, Copy, Default)]
struct Direction {
    receives: bool,
    sends: bool,
}

impl Direction {
    fn read(&mut self, line: &str) {
        match line {
            "a=sendrecv" | "a=sendonly" => self.sends = true,
            "a=recvonly" | "a=inactive" => self.receives = true,
            _ => {}
        }
    }
}

/// What matters of a media section.
#[derive(Default)]
struct Section {
    media: bool,
    port_0: bool,
    bundle_only: bool,
    direction: Direction,
}

impl Section {
    fn begin(line: &str) -> Self {
        let media = line.starts_with("m=audio ") || line.starts_with("m=video ");
        let port_0 = line.split(' ').nth(1) == Some("0");
        Self { media, port_0, ..Self::default() }
    }

    fn read(&mut self, line: &str) {
        self.direction.read(line);
        self.bundle_only |= line.starts_with("a=bundle-only");
    }

    const fn sends(&self, session: Direction) -> bool {
        let silent = !self.direction.sends && !self.direction.receives;
        let Direction { receives, sends } = if silent { session } else { self.direction };
        // Port 0 refuses a section, unless it shares the port of another (RFC 9143 section 6).
        let refused = self.port_0 && !self.bundle_only;
        self.media && !refused && (sends || !receives)
    }
}

#[cfg(test)]
mod tests {
    use super::sends;

    #[test]
    fn only_what_receives_or_is_refused_sends_nothing() {
        let players = [
            "v=0\r\nm=audio 9 X 111\r\na=recvonly\r\nm=video 9 X 96\r\na=inactive\r\n",
            "v=0\nm=audio 0 X 111\nm=video 0 X 96\na=bundle-only\na=recvonly\n",
            "v=0\na=recvonly\r\nm=audio 9 X 111\r\nm=video 9 X 96\r\na=inactive\r\n",
            "v=0\na=inactive\nm=audio 9 X 111\n",
            "v=0\na=sendonly\nm=audio 9 X 111\na=recvonly\n",
            "v=0\nm=application 9 X webrtc-datachannel\n",
            "",
        ];
        for offer in players {
            assert!(!sends(offer), "{offer:?}");
        }
    }

    #[test]
    fn what_says_nothing_or_both_or_otherwise_sends() {
        let senders = [
            "v=0\nm=audio 9 X 111\n",
            "v=0\nm=audio 9 X 111\na=sendrecv\nm=video 9 X 96\na=recvonly\n",
            "v=0\nm=audio 9 X 111\na=recvonly\nm=video 9 X 96\na=sendonly\n",
            "v=0\na=recvonly\nm=audio 9 X 111\na=sendrecv\n",
            "v=0\na=recvonly\na=sendrecv\nm=audio 9 X 111\n",
            "v=0\nm=audio 9 X 111\nm=video 9 X 96\na=recvonly\n",
            "v=0\nm=audio 9 X 111\na=recvonly\na=sendonly\n",
            "v=0\nm=audio 9 X 111\na=recvonly\ra=sendonly\n",
            "v=0\nm=audio 9 X 111\na=recvonly \n",
            "v=0\nm=video 0 X 96\na=bundle-only\n",
        ];
        for offer in senders {
            assert!(sends(offer), "{offer:?}");
        }
    }
}
