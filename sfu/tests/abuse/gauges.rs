//! What the media plane says of itself: its metrics, kept by name.

use std::sync::{
    Arc, LazyLock,
    atomic::{AtomicU64, Ordering},
};
use std::{collections::HashMap, sync::Mutex};

use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

static VALUES: LazyLock<Mutex<HashMap<String, Arc<AtomicU64>>>> = LazyLock::new(Mutex::default);

/// Begins to keep metrics; before the server starts.
pub fn install() {
    let _ = metrics::set_global_recorder(Keeper);
}

/// A gauge's present value, 0 where it was never set.
pub fn gauge(name: &str) -> f64 {
    f64::from_bits(value(name).load(Ordering::Relaxed))
}

fn value(name: &str) -> Arc<AtomicU64> {
    VALUES.lock().unwrap().entry(name.to_owned()).or_default().clone()
}

struct Keeper;

impl Recorder for Keeper {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(value(key.name()))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(value(key.name()))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
