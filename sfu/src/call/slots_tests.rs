use std::collections::HashSet;

use proptest::prelude::*;
use vbranch_domain::ParticipantId;

use super::*;

fn slots(kinds: &[SlotKind]) -> Slots {
    let spec = |(mid, kind): (usize, &SlotKind)| SlotSpec { mid: mid.to_string(), kind: *kind };
    Slots::new(kinds.iter().enumerate().map(spec).collect())
}

fn candidate(participant: ParticipantId, kind: MediaKind, seat: Seat) -> Candidate {
    Candidate { track: TrackId { participant, kind }, seat, speaking: false }
}

fn shown(slots: &Slots) -> Vec<Option<TrackId>> {
    slots.slots.iter().map(|(_, from)| *from).collect()
}

use MediaKind::{Audio, Screen, Video};
use SlotKind::Picture;

#[test]
fn a_client_with_one_slot_each_sees_the_other_party_and_a_screen_in_place_of_the_camera() {
    let staff = ParticipantId::random();
    let mut slots = slots(&[SlotKind::Audio, Picture]);
    let (audio, video, screen) = (
        candidate(staff, Audio, Seat::Staff),
        candidate(staff, Video, Seat::Staff),
        candidate(staff, Screen, Seat::Staff),
    );
    assert_eq!(slots.assign(&[audio, video]).len(), 2);
    assert_eq!(shown(&slots), [Some(audio.track), Some(video.track)]);
    let change = SlotChange { slot: 1, from: Some(screen.track) };
    assert_eq!(slots.assign(&[audio, video, screen]), [change]);
    assert_eq!(slots.table()[1].kind, Screen);
    assert_eq!(slots.assign(&[audio, video]), [SlotChange { slot: 1, from: Some(video.track) }]);
    assert_eq!(slots.assign(&[audio]), [SlotChange { slot: 1, from: None }]);
    assert_eq!(slots.table()[1], Slot { mid: "1".into(), kind: Video, from: None });
}

#[test]
fn staff_come_before_third_parties_and_a_speaker_before_the_equally_seated() {
    let id = || ParticipantId::random();
    let mut slots = slots(&[Picture, Picture]);
    let third: Vec<Candidate> = (0..3).map(|_| candidate(id(), Video, Seat::ThirdParty)).collect();
    let staff = candidate(id(), Video, Seat::Staff);
    let _ = slots.assign(&third);
    assert_eq!(shown(&slots), [Some(third[0].track), Some(third[1].track)]);
    let _ = slots.assign(&[third[0], third[1], third[2], staff]);
    assert_eq!(shown(&slots), [Some(third[0].track), Some(staff.track)], "the first stays put");
    let speaking = Candidate { speaking: true, ..third[2] };
    let _ = slots.assign(&[third[0], third[1], speaking, staff]);
    assert_eq!(shown(&slots), [Some(speaking.track), Some(staff.track)]);
    assert_eq!(
        slots.assign(&[third[0], third[1], third[2], staff]),
        [],
        "who stopped speaking stays until somebody else speaks"
    );
}

#[test]
fn slots_beyond_the_limit_receive_nothing() {
    let mut slots = slots(&[Picture; MAX_SLOTS + 5]);
    let crowd: Vec<Candidate> = (0..MAX_SLOTS + 5)
        .map(|_| candidate(ParticipantId::random(), Video, Seat::ThirdParty))
        .collect();
    assert_eq!(slots.assign(&crowd).len(), MAX_SLOTS);
}

/// Some of eight people, each with a seat, sending some kinds, one of them speaking.
fn crowd(people: &[ParticipantId], choice: &[(u8, u8, bool)]) -> Vec<Candidate> {
    let seats = [Seat::Customer, Seat::Staff, Seat::ThirdParty, Seat::SupervisorBargedIn];
    let of = |(person, (seat, kinds, speaking)): (&ParticipantId, &(u8, u8, bool))| {
        let (seat, speaking, person) = (seats[usize::from(seat % 4)], *speaking, *person);
        let kinds = *kinds;
        [Audio, Video, Screen]
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| kinds & (1 << bit) != 0)
            .map(move |(_, kind)| Candidate { speaking, ..candidate(person, kind, seat) })
    };
    people.iter().zip(choice).flat_map(of).collect()
}

proptest! {
    #[test]
    fn slots_are_filled_stably_and_without_doubles(
        kinds in prop::collection::vec(prop::bool::ANY, 0..8),
        rounds in prop::collection::vec(
            prop::collection::vec((any::<u8>(), 0u8..8, any::<bool>()), 8), 1..12),
    ) {
        let kinds: Vec<SlotKind> =
            kinds.into_iter().map(|audio| if audio { SlotKind::Audio } else { Picture }).collect();
        let people: Vec<ParticipantId> = (0..8).map(|_| ParticipantId::random()).collect();
        let (mut table, mut twin) = (slots(&kinds), slots(&kinds));
        for round in rounds {
            let candidates = crowd(&people, &round);
            let before = shown(&table);
            let changes = table.assign(&candidates);
            let after = shown(&table);
            prop_assert_eq!(&changes, &twin.assign(&candidates), "the same again");
            // What is told is what changed, and nothing else.
            for (n, (was, is)) in before.iter().zip(&after).enumerate() {
                let told = changes.iter().find(|c| usize::from(c.slot) == n);
                prop_assert_eq!(told.map(|c| c.from), (was != is).then_some(*is));
            }
            // Nobody is shown twice, in the wrong kind of slot, or without sending.
            let sources: Vec<TrackId> = after.iter().flatten().copied().collect();
            prop_assert_eq!(sources.iter().collect::<HashSet<_>>().len(), sources.len());
            for (kind, from) in kinds.iter().zip(&after) {
                prop_assert!(from.is_none_or(|track| kind.carries(track.kind)));
                prop_assert!(from.is_none_or(|t| candidates.iter().any(|c| c.track == t)));
            }
            // Who was shown and still is, is where it was.
            for track in &sources {
                if let Some(place) = before.iter().position(|from| *from == Some(*track)) {
                    prop_assert_eq!(after[place], Some(*track));
                }
            }
            // No slot is empty while somebody waits for one of its kind.
            for (kind, from) in kinds.iter().zip(&after) {
                let waits = candidates.iter()
                    .any(|c| kind.carries(c.track.kind) && !sources.contains(&c.track));
                prop_assert!(from.is_some() || !waits);
            }
            prop_assert_eq!(table.assign(&candidates), vec![], "settled");
            let _ = twin.assign(&candidates);
        }
    }
}
