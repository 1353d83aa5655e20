use std::time::Duration;

use MediaKind::{Audio, Screen, Video};

use super::{
    codec::VideoCodecs,
    kinds::Kinds,
    slots::{SlotKind, SlotSpec},
    *,
};

/// A client that sends sound and a camera and has this many slots for each.
fn media(audio: usize, pictures: usize) -> Media {
    let kinds = [vec![SlotKind::Audio; audio], vec![SlotKind::Picture; pictures]].concat();
    let slots = kinds.into_iter().enumerate();
    Media {
        sends: [Audio, Video].into_iter().collect(),
        slots: slots.map(|(n, kind)| SlotSpec { mid: n.to_string(), kind }).collect(),
        ..Media::default()
    }
}

/// The same of a browser without H.264.
fn vp8_only() -> Media {
    let vp8 = VideoCodecs { h264: false, vp8: true };
    Media { sends_in: vp8, takes: vp8, ..media(3, 3) }
}

struct Party {
    id: ParticipantId,
    peer: PeerKey,
    member: MemberIndex,
}

fn join(call: &mut Call, seat: Seat, peer: PeerKey) -> (Party, Effects) {
    let id = ParticipantId::random();
    let joined = call.join(id, seat, peer, media(3, 3)).unwrap();
    let effects = call.connected(id, peer);
    (Party { id, peer, member: joined.member }, effects)
}

fn reaches(call: &Call, from: &Party, kind: MediaKind) -> Vec<PeerKey> {
    call.routes(from.member, kind).iter().map(|route| route.peer).collect()
}

fn track(of: &Party, kind: MediaKind) -> TrackId {
    TrackId { participant: of.id, kind }
}

#[test]
fn two_parties_see_and_hear_each_other_once_both_are_up() {
    let mut call = Call::default();
    let (a, effects) = join(&mut call, Seat::Customer, 1);
    assert_eq!(effects, Effects::default(), "nobody is there");
    let b = ParticipantId::random();
    let joined = call.join(b, Seat::Staff, 2, media(1, 1)).unwrap();
    assert_eq!((joined.leg, joined.replaced), (Leg(0), None));
    assert_eq!(joined.effects.slots.len(), 1, "its own table is known from the start");
    assert!(reaches(&call, &a, Video).is_empty(), "not before it is up");
    let effects = call.connected(b, 2);
    assert_eq!(effects.slots.iter().map(|s| s.peer).collect::<Vec<_>>(), [1], "a sees b");
    assert_eq!(effects.keyframes.len(), 2, "both need a picture to start from");
    assert_eq!(reaches(&call, &a, Video), [2]);
    assert_eq!(call.slots(b)[0].from, Some(a.id));
    assert_eq!(call.slots(b)[1].from, Some(a.id));
}

#[test]
fn a_reload_takes_over_and_the_others_slots_stay_as_they_are() {
    let mut call = Call::default();
    let (a, _) = join(&mut call, Seat::Customer, 1);
    let (b, _) = join(&mut call, Seat::Staff, 2);
    let joined = call.join(b.id, Seat::Staff, 3, media(3, 3)).unwrap();
    assert_eq!((joined.leg, joined.replaced, joined.member), (Leg(1), Some(2), b.member));
    assert!(joined.effects.slots.iter().all(|s| s.subscriber == b.id), "a's page is left alone");
    assert!(reaches(&call, &a, Video).is_empty());
    assert_eq!(call.left(b.id, 2), Effects::default(), "the old one's end is not the new one's");
    assert_eq!(call.connected(b.id, 2), Effects::default());
    let effects = call.connected(b.id, 3);
    assert_eq!(effects.keyframes, [track(&a, Video), track(&b, Video)], "both start afresh");
    assert_eq!((reaches(&call, &a, Audio), call.peer_of(b.id)), (vec![3], Some(3)));
    let effects = call.left(b.id, 3);
    assert_eq!(effects.slots.len(), 1, "a's slots are empty now");
    assert!(call.slots(a.id).iter().all(|slot| slot.from.is_none()));
}

#[test]
fn a_supervisor_listens_whispers_barges_in_and_goes_back() {
    let mut call = Call::default();
    let (customer, _) = join(&mut call, Seat::Customer, 1);
    let (staff, _) = join(&mut call, Seat::Staff, 2);
    let (boss, effects) = join(&mut call, Seat::SupervisorSilent, 3);
    assert!(effects.slots.is_empty(), "nobody's page shows that somebody listens");
    assert_eq!(reaches(&call, &customer, Video), [2, 3]);
    assert!(reaches(&call, &boss, Audio).is_empty());

    let effects = call.set_seat(boss.id, Seat::SupervisorWhispering);
    assert_eq!(effects.slots.iter().map(|s| s.peer).collect::<Vec<_>>(), [staff.peer]);
    assert_eq!(reaches(&call, &boss, Audio), [staff.peer]);
    assert!(reaches(&call, &boss, Video).is_empty());

    let effects = call.set_seat(boss.id, Seat::SupervisorBargedIn);
    assert_eq!(effects.keyframes, [track(&boss, Video)]);
    assert_eq!(reaches(&call, &boss, Video), [customer.peer, staff.peer]);

    let _ = call.set_seat(boss.id, Seat::SupervisorSilent);
    assert!(reaches(&call, &boss, Audio).is_empty() && reaches(&call, &boss, Video).is_empty());
    assert!(call.slots(staff.id).iter().all(|slot| slot.from != Some(boss.id)));
}

#[test]
fn who_is_muted_reaches_nobody_not_even_after_a_reload() {
    let mut call = Call::default();
    let (customer, _) = join(&mut call, Seat::Customer, 1);
    let _ = join(&mut call, Seat::Staff, 2);
    let _ = call.mute(customer.id, Audio, true);
    assert!(reaches(&call, &customer, Audio).is_empty());
    assert_eq!(reaches(&call, &customer, Video), [2], "the picture goes on");
    let _ = call.join(customer.id, Seat::Customer, 4, media(3, 3)).unwrap();
    let _ = call.connected(customer.id, 4);
    assert!(reaches(&call, &customer, Audio).is_empty());
    let _ = call.mute(customer.id, Audio, false);
    assert_eq!(reaches(&call, &customer, Audio), [2]);
}

#[test]
fn a_screen_is_shown_beside_the_camera_and_asks_for_a_key_frame() {
    let mut call = Call::default();
    let (customer, _) = join(&mut call, Seat::Customer, 1);
    let (staff, _) = join(&mut call, Seat::Staff, 2);
    let effects = call.publish(staff.id, Screen, true);
    assert_eq!(effects.keyframes, [track(&staff, Screen)]);
    assert_eq!(reaches(&call, &staff, Screen), [customer.peer]);
    assert_eq!(reaches(&call, &staff, Video), [customer.peer]);
    assert_eq!(call.class(track(&staff, Screen)), Class::Screen);
    let _ = call.publish(staff.id, Screen, false);
    assert!(reaches(&call, &staff, Screen).is_empty());
}

#[test]
fn pictures_are_sent_in_vp8_for_as_long_as_somebody_who_may_see_them_takes_nothing_else() {
    let mut call = Call::default();
    let told = |of: &[(&Party, VideoCodec)]| -> Vec<CodecChanged> {
        of.iter().map(|(who, codec)| CodecChanged { participant: who.id, codec: *codec }).collect()
    };
    let (staff, effects) = join(&mut call, Seat::Staff, 1);
    assert_eq!(effects.codecs, [], "H.264 is what everybody sends untold");
    let (customer, _) = join(&mut call, Seat::Customer, 2);

    let joined = call.join(customer.id, Seat::Customer, 3, vp8_only()).unwrap();
    let both = [(&staff, VideoCodec::Vp8), (&customer, VideoCodec::Vp8)];
    assert_eq!(joined.effects.codecs, told(&both), "before the first packet to the new page");
    assert_eq!(call.connected(customer.id, 3).codecs, [], "only news");
    let (boss, effects) = join(&mut call, Seat::SupervisorSilent, 4);
    assert_eq!(effects.codecs, [], "whom nobody sees sends what it likes");
    let effects = call.set_seat(boss.id, Seat::SupervisorBargedIn);
    assert_eq!(effects.codecs, told(&[(&boss, VideoCodec::Vp8)]));

    assert_eq!(call.left(customer.id, 2).codecs, [], "the page before is not the present one");
    let h264 = |who| (who, VideoCodec::H264);
    let all = told(&[h264(&staff), h264(&customer), h264(&boss)]);
    let joined = call.join(customer.id, Seat::Customer, 5, media(3, 3)).unwrap();
    assert_eq!(joined.effects.codecs, all, "the customer is back with H.264");

    let guest = ParticipantId::random();
    let listens = Media { slots: media(1, 0).slots, ..Media::default() };
    let _ = call.join(guest, Seat::ThirdParty, 6, listens).unwrap();
    let joined = call.join(guest, Seat::ThirdParty, 7, vp8_only()).unwrap();
    assert_eq!(joined.effects.codecs.len(), 4, "everybody, the guest itself included");
    let effects = call.left(guest, 7);
    assert_eq!(effects.codecs.len(), 4, "gone, and all is as before");
    assert!(effects.codecs.iter().all(|told| told.codec == VideoCodec::H264));
}

#[test]
fn a_supervisor_who_takes_vp8_alone_changes_nothing_before_joining_in() {
    let mut call = Call::default();
    let _ = join(&mut call, Seat::Customer, 1);
    let _ = join(&mut call, Seat::Staff, 2);
    let boss = ParticipantId::random();
    let joined = call.join(boss, Seat::SupervisorSilent, 3, vp8_only()).unwrap();
    let told = |effects: Effects| effects.codecs.into_iter().filter(move |c| c.participant != boss);
    assert_eq!(told(joined.effects).count(), 0, "nobody may notice");
    assert_eq!(told(call.connected(boss, 3)).count(), 0);
    assert_eq!(told(call.set_seat(boss, Seat::SupervisorWhispering)).count(), 0);
    assert_eq!(told(call.set_seat(boss, Seat::SupervisorBargedIn)).count(), 2);
    assert_eq!(told(call.set_seat(boss, Seat::SupervisorSilent)).count(), 2, "and back");
}

#[test]
fn only_who_is_heard_by_all_is_named_as_the_speaker() {
    let mut call = Call::default();
    let (customer, _) = join(&mut call, Seat::Customer, 1);
    let (boss, _) = join(&mut call, Seat::SupervisorWhispering, 2);
    let mut told = vec![];
    for n in 0..40u32 {
        call.audio_level(boss.member, 20);
        call.audio_level(customer.member, 45);
        let effects = call.tick(Mono::ZERO + Duration::from_millis(100) * n);
        told.extend(effects.speaker);
    }
    assert_eq!(told, [SpeakerChanged(Some(customer.id))]);
    assert_eq!(call.class(track(&customer, Video)), Class::Speaker);
    let _ = call.mute(customer.id, Audio, true);
    let effects = call.tick(Mono::from_millis(10_000));
    assert_eq!(effects.speaker, Some(SpeakerChanged(None)));
}

#[test]
fn a_call_has_room_for_so_many_and_keeps_places_for_who_left() {
    let mut call = Call::default();
    let (first, _) = join(&mut call, Seat::Customer, 0);
    for peer in 1..MAX_MEMBERS as u64 {
        let _ = join(&mut call, Seat::ThirdParty, peer);
    }
    let _ = call.left(first.id, 0);
    let stranger = ParticipantId::random();
    assert!(!call.has_room_for(stranger) && call.has_room_for(first.id));
    assert_eq!(call.join(stranger, Seat::Staff, 99, Media::default()).unwrap_err(), CallFull);
    let back = call.join(first.id, Seat::Customer, 100, Media::default()).unwrap();
    assert_eq!(back.leg, Leg(1));
    assert_eq!(call.peers().count(), MAX_MEMBERS);
}

#[test]
fn kinds_are_a_set() {
    let kinds: Kinds = [Audio, Screen].into_iter().collect();
    assert!(kinds.contains(Audio) && !kinds.contains(Video) && kinds.contains(Screen));
    assert!(!kinds.with(Audio, false).contains(Audio));
}
