//! How many bits a second each layer of a source takes: what the bitrate allocator chooses from.

use vbranch_domain::Mono;

use super::{
    PayloadInfo,
    layers::{LayerOrder, MAX_LAYERS, MAX_TID},
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
    order: LayerOrder,
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
        let moved = meter.advance(bucket_of(now));
        let slot = meter.bytes.get_mut((meter.bucket % BUCKETS as u64) as usize);
        if let Some(bytes) = slot.and_then(|slot| slot.get_mut(usize::from(info.tid()))) {
            *bytes = bytes.saturating_add(u32::try_from(len).unwrap_or(u32::MAX));
        }
        meter.last_packet = Some(now);
        if moved {
            self.learn_order(now);
        }
    }

    /// Which layers are the smaller ones, by what was measured so far.
    pub(crate) fn order(&self) -> LayerOrder {
        self.order
    }

    fn learn_order(&mut self, now: Mono) {
        let mut bitrates = [0; MAX_LAYERS];
        for (layer, (bitrate, meter)) in (0u8..).zip(bitrates.iter_mut().zip(&self.layers)) {
            if meter.is_steady(now) {
                *bitrate = self.bitrate(now, layer, MAX_TID);
            }
        }
        self.order.learn(bitrates);
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
    /// Whether it was sent all through the window: what has just begun, or ended, measures less
    /// than it is.
    fn is_steady(&self, now: Mono) -> bool {
        let current = bucket_of(now);
        let sent = |ago: u64| {
            let bucket = current.checked_sub(ago).filter(|bucket| *bucket <= self.bucket);
            let bytes = bucket.and_then(|b| self.bytes.get((b % BUCKETS as u64) as usize));
            bytes.is_some_and(|tids| tids.iter().any(|bytes| *bytes > 0))
        };
        let oldest = BUCKETS as u64 - 1;
        (sent(0) || sent(1)) && (sent(oldest) || sent(oldest - 1))
    }

    /// Empties the buckets between the last packet's and this one's; true where there are any.
    fn advance(&mut self, to: u64) -> bool {
        let moved = to > self.bucket;
        self.first_bucket.get_or_insert(to);
        let from = self.bucket.max(to.saturating_sub(BUCKETS as u64));
        for bucket in from + 1..=to {
            if let Some(slot) = self.bytes.get_mut((bucket % BUCKETS as u64) as usize) {
                *slot = [0; TIDS];
            }
        }
        self.bucket = self.bucket.max(to);
        moved
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
    fn the_order_of_layers_is_measured_and_outlasts_those_that_stop() {
        let mut meters = LayerMeters::default();
        let order = |meters: &LayerMeters| meters.order().smallest_first().collect::<Vec<_>>();
        // The largest is listed first; each sends 25 pictures a second when it sends.
        let mut send = |millis: std::ops::Range<u64>, layers: &[(u8, usize)]| {
            for at in millis.step_by(40) {
                for (layer, len) in layers {
                    meters.on_packet(Mono::from_millis(at), *layer, *len, &info(0));
                }
                let learnt = order(&meters);
                let expected = if at < 1_000 { [0, 1, 2] } else { [2, 1, 0] };
                assert!(learnt == expected || (700..1_000).contains(&at), "{learnt:?} at {at} ms");
            }
        };
        let (large, middle, small) = ((0, 8_000), (1, 2_400), (2, 700));
        send(0..3_000, &[large, middle, small]);
        send(3_000..5_000, &[small]);
        send(5_000..6_000, &[middle, small]);
        send(6_000..9_000, &[large, middle, small]);
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
