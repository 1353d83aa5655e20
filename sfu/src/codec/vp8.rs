//! VP8's RTP payload descriptor (RFC 7741 section 4.2): reading it, and keeping its picture
//! numbers continuous for a subscriber.

use super::Malformed;

/// Values of a 15-bit PictureID.
const LONG_IDS: u16 = 1 << 15;
/// Values of a 7-bit PictureID.
const SHORT_IDS: u16 = 1 << 7;

/// A PictureID with the width it was sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PictureId {
    /// The number itself.
    pub(crate) value: u16,
    /// 15 bits (M = 1) rather than 7.
    pub(crate) long: bool,
}

impl PictureId {
    const fn modulus(self) -> u16 {
        if self.long { LONG_IDS } else { SHORT_IDS }
    }

    /// How far ahead of `other` this picture is, negative when behind: the nearer way round.
    pub(crate) fn ahead_of(self, other: u16) -> i32 {
        let modulus = self.modulus();
        let ahead = self.value.wrapping_sub(other) % modulus;
        if ahead < modulus / 2 { i32::from(ahead) } else { i32::from(ahead) - i32::from(modulus) }
    }
}

/// A picture's place in the temporal layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Temporal {
    /// TID, 0 is the base layer.
    pub(crate) tid: u8,
    /// Y: the picture needs base-layer pictures only.
    pub(crate) sync: bool,
}

/// The payload descriptor in front of every VP8 packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// Its length in bytes, 1 to 6.
    pub(crate) len: u8,
    /// S: a partition begins in this packet.
    pub(crate) partition_start: bool,
    /// PID: which partition.
    pub(crate) partition: u8,
    /// PictureID, where sent.
    pub(crate) picture_id: Option<PictureId>,
    /// TL0PICIDX, where sent: the number of the base-layer picture this one builds on.
    pub(crate) tl0_picidx: Option<u8>,
    /// TID and Y, where sent.
    pub(crate) temporal: Option<Temporal>,
}

impl Descriptor {
    /// Reads the descriptor at the start of a payload.
    pub(crate) fn parse(payload: &[u8]) -> Result<Self, Malformed> {
        Ok(Layout::read(payload)?.descriptor)
    }

    /// Whether this packet is the first of its picture.
    pub(crate) fn starts_frame(&self) -> bool {
        self.partition_start && self.partition == 0
    }

    /// What follows the descriptor.
    pub(crate) fn body<'a>(&self, payload: &'a [u8]) -> &'a [u8] {
        payload.get(usize::from(self.len)..).unwrap_or_default()
    }
}

/// A descriptor, and where its numbers lie.
struct Layout {
    descriptor: Descriptor,
    picture_id_at: Option<usize>,
    tl0_picidx_at: Option<usize>,
}

impl Layout {
    fn read(payload: &[u8]) -> Result<Self, Malformed> {
        let byte = |at: usize| payload.get(at).copied().ok_or(Malformed::Short);
        let first = byte(0)?;
        let mut at = 1;
        let mut extensions = 0;
        if first & 0x80 != 0 {
            extensions = byte(1)?;
            at = 2;
        }
        let (mut picture_id, mut picture_id_at) = (None, None);
        if extensions & 0x80 != 0 {
            picture_id_at = Some(at);
            let high = byte(at)?;
            let long = high & 0x80 != 0;
            let mut value = u16::from(high & 0x7f);
            if long {
                value = value << 8 | u16::from(byte(at + 1)?);
            }
            at += if long { 2 } else { 1 };
            picture_id = Some(PictureId { value, long });
        }
        let (mut tl0_picidx, mut tl0_picidx_at) = (None, None);
        if extensions & 0x40 != 0 {
            tl0_picidx_at = Some(at);
            tl0_picidx = Some(byte(at)?);
            at += 1;
        }
        let mut temporal = None;
        // One byte serves both T and K.
        if extensions & 0x30 != 0 {
            let bits = byte(at)?;
            at += 1;
            temporal = (extensions & 0x20 != 0)
                .then_some(Temporal { tid: bits >> 6, sync: bits & 0x20 != 0 });
        }
        let descriptor = Descriptor {
            len: u8::try_from(at).map_err(|_| Malformed::Short)?,
            partition_start: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id,
            tl0_picidx,
            temporal,
        };
        Ok(Self { descriptor, picture_id_at, tl0_picidx_at })
    }
}

/// Whether a frame needs no other, by its first bytes (RFC 6386 section 9.1). `None` where there
/// are none.
pub(crate) fn is_keyframe(frame: &[u8]) -> Option<bool> {
    Some(frame.first()? & 1 == 0)
}

/// New picture numbers for one packet. Together with the payload as it came, it gives the payload
/// as it was sent: that is all a retransmission needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Vp8Rewrite {
    picture_id: u16,
    tl0_picidx: u8,
}

impl Vp8Rewrite {
    /// As a number, for tables that know nothing of codecs.
    pub(crate) const fn to_bits(self) -> u64 {
        (self.tl0_picidx as u64) << 16 | self.picture_id as u64
    }

    /// The rewrite behind a number of [`Self::to_bits`].
    pub(crate) const fn from_bits(bits: u64) -> Self {
        // Truncation is the point: these are the bits that were put there.
        Self { picture_id: bits as u16, tl0_picidx: (bits >> 16) as u8 }
    }

    /// Writes the numbers over those in `payload`, in the width they have there. A payload that
    /// carries none, or is malformed, stays as it is.
    pub(crate) fn apply(self, payload: &mut [u8]) {
        let Ok(layout) = Layout::read(payload) else { return };
        if let (Some(at), Some(id)) = (layout.picture_id_at, layout.descriptor.picture_id) {
            let [high, low] = self.picture_id.to_be_bytes();
            if id.long {
                put(payload, at, high | 0x80);
                put(payload, at + 1, low);
            } else {
                put(payload, at, low & 0x7f);
            }
        }
        if let Some(at) = layout.tl0_picidx_at {
            put(payload, at, self.tl0_picidx);
        }
    }
}

fn put(payload: &mut [u8], at: usize, value: u8) {
    if let Some(byte) = payload.get_mut(at) {
        *byte = value;
    }
}

/// Changes of the mapping remembered: with every other picture left out of 30 a second, the last
/// two seconds. More costs memory per subscriber; fewer refuses packets a retransmission brought.
const MAPPINGS: usize = 32;

/// A key frame this many pictures behind the newest is no late packet (one second at 30 pictures
/// a second): the sender has begun to count anew.
const RESTART_BEHIND: i64 = 32;

/// From picture `from` of the source on, `offset` less is what the subscriber sees.
#[derive(Debug, Clone, Copy, Default)]
struct Mapping {
    from: i64,
    offset: i64,
}

/// Keeps the picture numbers of one subscriber's stream continuous across source switches and
/// pictures left out. A gap in PictureID makes browsers hold back pictures that need the missing
/// one; one that was never going to come would hold them back for ever.
#[derive(Debug)]
pub(crate) struct Vp8Rewriter {
    source: Option<u64>,
    /// The newest picture of the source seen, as an extended number.
    newest: i64,
    /// A ring in the order of `from`; the newest at `last`.
    mappings: [Mapping; MAPPINGS],
    last: usize,
    len: usize,
    /// The newest number given out.
    newest_out: i64,
    tl0_offset: u8,
    newest_tl0_out: u8,
    /// Whether anything was ever sent.
    began: bool,
}

impl Default for Vp8Rewriter {
    fn default() -> Self {
        Self {
            source: None,
            newest: 0,
            mappings: [Mapping::default(); MAPPINGS],
            last: 0,
            len: 0,
            newest_out: 0,
            tl0_offset: 0,
            newest_tl0_out: 0,
            began: false,
        }
    }
}

impl Vp8Rewriter {
    /// A packet of `source` goes to the subscriber: its new numbers. `None` when it belongs to a
    /// picture from before the switch to this source, or one too old to be told: do not send it.
    ///
    /// A change of `source` is a switch; the caller has made sure that it is at a key frame and
    /// that nothing of a former source comes here again.
    pub(crate) fn forward(
        &mut self,
        source: u64,
        descriptor: &Descriptor,
        keyframe: bool,
    ) -> Option<Vp8Rewrite> {
        let behind = self.newest - self.extended(descriptor);
        let restarted = keyframe && descriptor.picture_id.is_some() && behind > RESTART_BEHIND;
        if self.source != Some(source) || restarted {
            self.switch(source, descriptor);
        }
        let picture = self.extended(descriptor);
        let out = picture - self.offset_of(picture)?;
        self.newest = self.newest.max(picture);
        self.newest_out = self.newest_out.max(out);
        let tl0_picidx = descriptor.tl0_picidx.map_or(0, |tl0| self.tl0(tl0));
        self.began = true;
        // Truncation is the point: RFC 7741's numbers wrap.
        Some(Vp8Rewrite { picture_id: out as u16 & (LONG_IDS - 1), tl0_picidx })
    }

    /// A packet of the source being forwarded is left out on purpose: later pictures close up.
    pub(crate) fn skip(&mut self, source: u64, descriptor: &Descriptor) {
        if self.source != Some(source) || descriptor.picture_id.is_none() {
            return;
        }
        let picture = self.extended(descriptor);
        // What is no newer has been counted, or newer pictures have passed it: its number stays.
        if picture <= self.newest {
            return;
        }
        self.newest = picture;
        let offset = self.mappings.get(self.last).map_or(0, |mapping| mapping.offset);
        self.remember(Mapping { from: picture + 1, offset: offset + 1 });
    }

    fn switch(&mut self, source: u64, descriptor: &Descriptor) {
        let first = descriptor.picture_id.map_or(0, |id| i64::from(id.value));
        let tl0 = descriptor.tl0_picidx.unwrap_or(0);
        self.source = Some(source);
        self.newest = first;
        let offset = if self.began { first - (self.newest_out + 1) } else { 0 };
        self.tl0_offset =
            if self.began { tl0.wrapping_sub(self.newest_tl0_out.wrapping_add(1)) } else { 0 };
        if !self.began {
            self.newest_tl0_out = tl0;
        }
        self.len = 0;
        self.remember(Mapping { from: first, offset });
    }

    /// The picture's number without wrap: the one nearest to the newest.
    fn extended(&self, descriptor: &Descriptor) -> i64 {
        // A source without numbers is one endless picture.
        let Some(id) = descriptor.picture_id else { return self.newest };
        // Truncation is the point: the bits that were sent.
        self.newest + i64::from(id.ahead_of(self.newest as u16))
    }

    fn remember(&mut self, mapping: Mapping) {
        self.last = (self.last + 1) % MAPPINGS;
        self.len = (self.len + 1).min(MAPPINGS);
        if let Some(place) = self.mappings.get_mut(self.last) {
            *place = mapping;
        }
    }

    /// Newest first: nearly always the first one fits.
    fn offset_of(&self, picture: i64) -> Option<i64> {
        (0..self.len)
            .filter_map(|back| self.mappings.get((self.last + MAPPINGS - back) % MAPPINGS))
            .find(|mapping| mapping.from <= picture)
            .map(|mapping| mapping.offset)
    }

    fn tl0(&mut self, tl0: u8) -> u8 {
        let out = tl0.wrapping_sub(self.tl0_offset);
        if out.wrapping_sub(self.newest_tl0_out) < 0x80 {
            self.newest_tl0_out = out;
        }
        out
    }
}

#[cfg(test)]
#[path = "vp8_tests.rs"]
mod tests;
