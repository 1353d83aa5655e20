//! Two clients of another WebRTC stack meet through the media plane; a tap listens.
#![expect(clippy::unwrap_used, reason = "helpers of a test may panic like the test")]

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use vbranch_domain::{
    CallId, Leg, MediaKind, ParticipantId, Seat, SystemClock, Tap, TapItem, media::TrackId,
};
use vbranch_load::{Bot, Heard};
use vbranch_sfu::{JoinError, Sfu, SfuConfig, SfuEvent, SfuHandle};

const PATIENCE: Duration = Duration::from_secs(30);

struct Branch {
    sfu: Sfu,
    events: Arc<Mutex<Vec<SfuEvent>>>,
}

impl Branch {
    fn start() -> Self {
        let events = Arc::new(Mutex::new(vec![]));
        let sink = events.clone();
        let config =
            SfuConfig::new((Ipv4Addr::LOCALHOST, 0).into(), vec![Ipv4Addr::LOCALHOST.into()]);
        let sink = Arc::new(move |event| sink.lock().unwrap().push(event));
        Self { sfu: Sfu::start(&config, SystemClock::start(), sink).unwrap(), events }
    }

    async fn join(&self, call: CallId, who: ParticipantId, tone: f32) -> anyhow::Result<Bot> {
        let (mut bot, offer) = Bot::offer(tone).await?;
        let answer = self.sfu.handle().join(call, who, Seat::Staff, offer).await?;
        bot.connect(answer.sdp).await?;
        Ok(bot)
    }

    fn handle(&self) -> SfuHandle {
        self.sfu.handle()
    }
}

struct Listener(mpsc::Sender<TapItem>);

impl Tap for Listener {
    fn push(&mut self, item: TapItem) {
        let _ = self.0.send(item);
    }
}

fn both(heard: Heard) -> bool {
    heard.frames > 15 && heard.energy > 10.0
}

#[tokio::test(flavor = "multi_thread")]
async fn each_party_sees_and_hears_the_other_and_may_reload() -> anyhow::Result<()> {
    let branch = Branch::start();
    let (call, a, b) = (CallId::random(), ParticipantId::random(), ParticipantId::random());
    let (items, tapped) = mpsc::channel();
    branch.handle().attach_tap(call, "test", Box::new(Listener(items)))?;

    let customer = branch.join(call, a, 440.0).await?;
    let staff = branch.join(call, b, 880.0).await?;
    customer.wait_until(PATIENCE, both).await?;
    staff.wait_until(PATIENCE, both).await?;

    // The customer reloads: the other party keeps its one stream, and it goes on.
    let before = staff.heard();
    let again = branch.join(call, a, 440.0).await?;
    again.wait_until(PATIENCE, both).await?;
    staff.wait_until(PATIENCE, |h| h.frames > before.frames + 15).await?;

    branch.handle().end_call(call);
    customer.close().await?;
    again.close().await?;
    staff.close().await?;
    let events = branch.events.clone();
    branch.sfu.stop();

    let connected =
        events.lock().unwrap().iter().filter(|e| matches!(e, SfuEvent::Connected { .. })).count();
    assert_eq!(connected, 3);
    check_tapped(&tapped.try_iter().collect::<Vec<_>>(), a, b);
    Ok(())
}

/// What a recorder needs: both parties' media, whole, in order, tied to their clocks.
fn check_tapped(items: &[TapItem], a: ParticipantId, b: ParticipantId) {
    for (participant, leg) in [(a, Leg(0)), (a, Leg(1)), (b, Leg(0))] {
        let started = TapItem::LegStarted { participant, leg, at: vbranch_domain::Mono::ZERO };
        assert!(
            items.iter().any(|i| std::mem::discriminant(i) == std::mem::discriminant(&started)
                && matches!(i, TapItem::LegStarted { participant: p, leg: l, .. } if (*p, *l) == (participant, leg))),
            "leg {leg:?} of {participant} was not announced"
        );
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let track = TrackId { participant, kind };
            let times: Vec<u64> = items
                .iter()
                .filter_map(|i| match i {
                    TapItem::Frame(f) if f.track == track && f.leg == leg => Some(f.rtp_time.0),
                    _ => None,
                })
                .collect();
            assert!(times.len() > 15, "{track} {leg:?}: {} frames", times.len());
            assert!(times.is_sorted(), "{track} {leg:?}: frames out of order");
        }
    }
    assert!(
        items.iter().any(|i| matches!(i, TapItem::SenderReport(r) if r.track.participant == b))
    );
    assert!(items.iter().any(|i| matches!(i, TapItem::LegEnded { leg: Leg(1), .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_useless_offer_is_refused_and_the_call_goes_on() -> anyhow::Result<()> {
    let branch = Branch::start();
    let call = CallId::random();
    let customer = branch.join(call, ParticipantId::random(), 440.0).await?;
    let staff = branch.join(call, ParticipantId::random(), 880.0).await?;

    let (_bot, offer) = Bot::offer(100.0).await?;
    let other_call = CallId::random();
    let no_h264 = offer.replace("H264", "H999").replace("VP8", "VP0");
    let refused =
        branch.handle().join(other_call, ParticipantId::random(), Seat::Staff, no_h264).await;
    assert!(matches!(refused, Err(JoinError::CodecNotAgreed(_))), "{refused:?}");
    let garbage =
        branch.handle().join(other_call, ParticipantId::random(), Seat::Staff, "v=0".into()).await;
    assert!(garbage.is_err());

    customer.wait_until(PATIENCE, both).await?;
    staff.wait_until(PATIENCE, both).await?;
    branch.sfu.stop();
    Ok(())
}

#[test]
fn a_port_in_use_is_named() {
    let taken = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let config = SfuConfig::new(taken.local_addr().unwrap(), vec![Ipv4Addr::LOCALHOST.into()]);
    let error = Sfu::start(&config, SystemClock::start(), Arc::new(|_| ())).err().unwrap();
    assert!(error.to_string().contains(&taken.local_addr().unwrap().to_string()), "{error}");
}
