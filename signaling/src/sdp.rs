//! The one thing the branch itself reads of an offer (RFC 8866): whether it is to send. All else of
//! it is the media plane's.

/// Whether the offer is to send sound or pictures in any of its media sections.
///
/// Strict, as it keeps out who may not send: a section is to receive only where it says so itself
/// and nothing against it. What a session says for all of its sections is not heard, as the media
/// plane does not hear it either.
pub fn sends(offer: &str) -> bool {
    let mut section: Option<Section> = None;
    // A line ended by a lone CR must not hide what follows it.
    for line in offer.split(['\r', '\n']) {
        if line.starts_with("m=") {
            if section.replace(Section::begin(line)).is_some_and(|done| done.sends()) {
                return true;
            }
        } else if let Some(section) = &mut section {
            section.read(line);
        }
    }
    section.is_some_and(|last| last.sends())
}

/// What a media section says of its direction.
#[derive(Default)]
struct Section {
    media: bool,
    port_0: bool,
    bundle_only: bool,
    receives: bool,
    sends: bool,
}

impl Section {
    fn begin(line: &str) -> Self {
        let media = line.starts_with("m=audio ") || line.starts_with("m=video ");
        let port_0 = line.split(' ').nth(1) == Some("0");
        Self { media, port_0, ..Self::default() }
    }

    fn read(&mut self, line: &str) {
        match line {
            "a=sendrecv" | "a=sendonly" => self.sends = true,
            "a=recvonly" | "a=inactive" => self.receives = true,
            _ => self.bundle_only |= line.starts_with("a=bundle-only"),
        }
    }

    const fn sends(&self) -> bool {
        // Port 0 refuses a section, unless it shares the port of another (RFC 9143 section 6).
        let refused = self.port_0 && !self.bundle_only;
        self.media && !refused && (self.sends || !self.receives)
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
            "v=0\nm=application 9 X webrtc-datachannel\n",
            "",
        ];
        assert!(players.iter().all(|offer| !sends(offer)));
    }

    #[test]
    fn what_says_nothing_or_both_or_says_it_elsewhere_sends() {
        let senders = [
            "v=0\nm=audio 9 X 111\n",
            "v=0\nm=audio 9 X 111\na=sendrecv\nm=video 9 X 96\na=recvonly\n",
            "v=0\nm=audio 9 X 111\na=recvonly\nm=video 9 X 96\na=sendonly\n",
            "v=0\na=recvonly\nm=audio 9 X 111\n",
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
