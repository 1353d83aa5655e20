//! Plugs the media plane, the recorder, the KYC engine and the face vault into the ports of the branch.

mod calls;
mod kyc;
mod media;
mod recorder;
mod vault;

use tokio::sync::mpsc::{Sender, error::TrySendError};
use vbranch_signaling::ports::PortEvent;

pub use calls::{calls_of, reconcile_daily};
pub use kyc::KycAdapter;
pub use media::MediaAdapter;
pub use recorder::{RecorderAdapter, recorder_config};
pub use vault::VaultAdapter;

/// Events on their way to the branch. It handles them in microseconds, so a full queue means it
/// hangs: events are then lost, loudly, because the media and recorder threads must not wait.
pub const EVENTS: usize = 16_384;

/// The sending end, used from threads that must not block.
#[derive(Clone)]
pub struct Events(Sender<PortEvent>);

impl Events {
    pub fn new(sender: Sender<PortEvent>) -> Self {
        Self(sender)
    }

    pub fn send(&self, event: PortEvent) {
        match self.0.try_send(event) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                metrics::counter!("vbranch_events_lost_total").increment(1);
                tracing::error!("the branch does not take events");
            }
            // The branch has shut down; nobody is left to tell.
            Err(TrySendError::Closed(_)) => {}
        }
    }
}
