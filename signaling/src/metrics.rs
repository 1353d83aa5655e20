//! What an operator sees of the branch, through the `metrics` facade.

use metrics::{counter, gauge, histogram};

use crate::visit::VisitState;

const STATES: [(VisitState, &str); 6] = [
    (VisitState::Invited, "invited"),
    (VisitState::Preparing, "preparing"),
    (VisitState::Checking, "checking"),
    (VisitState::Waiting, "waiting"),
    (VisitState::InCall, "in_call"),
    (VisitState::Closed, "closed"),
];

/// Visits in memory by state (closed: lately closed), and the length of the queue.
#[expect(clippy::cast_precision_loss, reason = "counts of visits are far below 2^52")]
pub(crate) fn visits(states: impl Iterator<Item = VisitState>, waiting: usize) {
    let mut counts = [0u32; STATES.len()];
    for state in states {
        for (count, (each, _)) in counts.iter_mut().zip(STATES) {
            *count += u32::from(each == state);
        }
    }
    for (count, (_, word)) in counts.iter().zip(STATES) {
        gauge!("vbranch_visits", "state" => word).set(f64::from(*count));
    }
    gauge!("vbranch_queue_length").set(waiting as f64);
}

/// One request answered.
pub(crate) fn request(method: &'static str, route: String, status: u16, seconds: f64) {
    let status = status.to_string();
    counter!("vbranch_http_requests_total", "method" => method, "route" => route.clone(), "status" => status)
        .increment(1);
    histogram!("vbranch_http_request_seconds", "route" => route).record(seconds);
}

/// Counts an open WebSocket for as long as it lives.
pub(crate) struct OpenSocket;

impl OpenSocket {
    pub fn new() -> Self {
        gauge!("vbranch_ws_connections").increment(1.0);
        Self
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        gauge!("vbranch_ws_connections").decrement(1.0);
    }
}
