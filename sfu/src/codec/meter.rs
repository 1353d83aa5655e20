//! How many bits a second each layer of a source takes: what the bitrate allocator chooses from.

use vbranch_domain::Mono;

use super::{
    PayloadInfo,
    layers::{MAX_LAYERS, MAX_TID},
};

/// Temporal layers a meter tells apart.
const TIDS: usize = MAX_TID as usize + 1;
/// Buckets of the window.
const BUCKETS: usize = 8;
/// Nanoseconds a bucket covers; the window of 1 s holds a few groups of temporal layers even at
/// 5 pictures a second. A longer one follows changes late, a shorter one swings with key frames.
const BUCKET_NANOS: u64 = 125_000_000;

/// Measures one source's layers over the last second. Fed once per packet, by the source's owner.
#[derive(Debug, Default)]
pub(crate) struct LayerMeters {
    layers: [LayerMeter; MAX_LAYERS],
}

/// One simulcast layer.
#[derive(Debug, Default)]
struct LayerMeter {
    bytes: [[u32; TIDS]; BUCKETS],
    /// The bucket being filled, counted from the start of the process.
    bucket: u64,
    first_bucket: Option<u64>,
    last_packet: Option<Mono>,
}

impl LayerMeters {
    /// Counts a packet of `len` bytes on the wire.
    pub(crate) fn on_packet(&mut self, now: Mono, layer: u8, len: usize, info: &PayloadInfo) {
        let Some(meter) = self.layers.get_mut(usize::from(layer)) else { return };
        meter.advance(bucket_of(now));
        let slot = meter.bytes.get_mut((meter.bucket % BUCKETS as u64) as usize);
        if let Some(bytes) = slot.and_then(|slot| slot.get_mut(usize::from(info.tid()))) {
            *bytes = bytes.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        }
        meter.last_packet = Some(now);
    }

    /// Bits a second of a layer with its temporal layers up to `tid`, over the last second; 0
    /// where nothing comes.
    pub(crate) fn bitrate(&self, now: Mono, layer: u8, tid: u8) -> u64 {
        let Some(meter) = self.layers.get(usize::from(layer)) else { return 0 };
        let current = bucket_of(now);
        // Buckets that lie within the window that ends now, the one being filled among them.
        let oldest = current.saturating_sub(BUCKETS as u64 - 1);
        let start = meter.first_bucket.unwrap_or(current).max(oldest);
        let bytes: u64 = (start..=meter.bucket)
            .filter_map(|bucket| meter.bytes.get((bucket % BUCKETS as u64) as usize))
            .flat_map(|tids| tids.iter().take(usize::from(tid) + 1))
            .map(|bytes| u64::from(*bytes))
            .sum();
        let span = now.as_nanos().saturating_sub(start * BUCKET_NANOS).max(BUCKET_NANOS);
        // At most 32 counters of 32 bits, in bits and times 10^9: fits 128 bits, then 64.
        u64::try_from(u128::from(bytes) * 8 * 1_000_000_000 / u128::from(span)).unwrap_or(u64::MAX)
    }

    /// When the layer's last packet came.
    pub(crate) fn last_packet(&self, layer: u8) -> Option<Mono> {
        self.layers.get(usize::from(layer))?.last_packet
    }
}

impl LayerMeter {
    /// Empties the buckets between the last packet's and this one's.
    fn advance(&mut self, to: u64) {
        self.first_bucket.get_or_insert(to);
        let from = self.bucket.max(to.saturating_sub(BUCKETS as u64));
        for bucket in from + 1..=to {
            if let Some(slot) = self.bytes.get_mut((bucket % BUCKETS as u64) as usize) {
                *slot = [0; TIDS];
            }
        }
        self.bucket = self.bucket.max(to);
    }
}

fn bucket_of(now: Mono) -> u64 {
    now.as_nanos() / BUCKET_NANOS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{VideoCodec, inspect};

    fn info(tid: u8) -> PayloadInfo {
        inspect(VideoCodec::Vp8, &[0x90, 0x20, tid << 6, 1]).unwrap()
    }

    #[test]
    fn a_steady_stream_measures_as_it_is_by_temporal_layer() {
        let mut meters = LayerMeters::default();
        let mut now = Mono::from_millis(7_777);
        // 25 pictures a second of 2500 bytes, every other one of the upper layer: 500 kbit/s.
        for n in 0..100u64 {
            now = Mono::from_millis(7_777 + n * 40);
            meters.on_packet(now, 1, 2_500, &info((n % 2) as u8));
            if n > 5 {
                let all = meters.bitrate(now, 1, MAX_TID);
                assert!((400_000..650_000).contains(&all), "{all} after {n} pictures");
                let base = meters.bitrate(now, 1, 0);
                assert!((180_000..360_000).contains(&base), "{base} after {n} pictures");
            }
        }
        assert_eq!(meters.bitrate(now, 0, MAX_TID), 0);
        assert_eq!(meters.bitrate(now, 7, MAX_TID), 0);
        assert_eq!(meters.last_packet(1), Some(now));
    }

    #[test]
    fn a_layer_that_stops_measures_nothing_a_second_later_and_comes_back_clean() {
        let mut meters = LayerMeters::default();
        for n in 0..50 {
            meters.on_packet(Mono::from_millis(n * 20), 0, 1_000, &info(0));
        }
        assert_eq!(meters.bitrate(Mono::from_millis(2_500), 0, MAX_TID), 0);
        let back = Mono::from_millis(60_000);
        meters.on_packet(back, 0, 1_000, &info(0));
        assert!(meters.bitrate(back, 0, MAX_TID) < 65_000);
    }
}
