//! Who may see and hear whom, by where they sit.

use vbranch_domain::{MediaKind, Seat};

/// Whether media of `kind` that a participant in `publisher` sends may reach one in `subscriber`.
///
/// Whoever takes part openly reaches everyone, a silent supervisor included. A silent supervisor
/// reaches nobody. A whispering one reaches the staff's ears alone: neither the customer, nor a
/// third party, nor another supervisor, and never with a picture.
pub(crate) const fn may_receive(publisher: Seat, subscriber: Seat, kind: MediaKind) -> bool {
    match publisher {
        Seat::Customer | Seat::Staff | Seat::ThirdParty | Seat::SupervisorBargedIn => true,
        Seat::SupervisorSilent => false,
        Seat::SupervisorWhispering => {
            matches!(kind, MediaKind::Audio) && matches!(subscriber, Seat::Staff)
        }
    }
}

/// Whether everybody may know that this participant is there and speaks. What is shown to all
/// (the active speaker, a customer's list of participants) is drawn from these alone.
pub(crate) const fn is_open(seat: Seat) -> bool {
    !matches!(seat, Seat::SupervisorSilent | Seat::SupervisorWhispering)
}

#[cfg(test)]
mod tests {
    use MediaKind::{Audio, Screen, Video};
    use Seat::{
        Customer, Staff, SupervisorBargedIn, SupervisorSilent, SupervisorWhispering, ThirdParty,
    };

    use super::*;

    const SEATS: [Seat; 6] =
        [Customer, Staff, ThirdParty, SupervisorSilent, SupervisorWhispering, SupervisorBargedIn];

    #[test]
    fn the_matrix_as_a_table() {
        // Rows: who sends. Columns: who would receive, in the order of SEATS.
        // A: sound, V: picture (camera and screen).
        let table = [
            (Customer, ["AV", "AV", "AV", "AV", "AV", "AV"]),
            (Staff, ["AV", "AV", "AV", "AV", "AV", "AV"]),
            (ThirdParty, ["AV", "AV", "AV", "AV", "AV", "AV"]),
            (SupervisorSilent, ["", "", "", "", "", ""]),
            (SupervisorWhispering, ["", "A", "", "", "", ""]),
            (SupervisorBargedIn, ["AV", "AV", "AV", "AV", "AV", "AV"]),
        ];
        for (publisher, row) in table {
            for (subscriber, cell) in SEATS.into_iter().zip(row) {
                for (kind, letter) in [(Audio, 'A'), (Video, 'V'), (Screen, 'V')] {
                    assert_eq!(
                        may_receive(publisher, subscriber, kind),
                        cell.contains(letter),
                        "{publisher:?} -> {subscriber:?}, {kind:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn whom_the_customer_cannot_receive_is_not_shown_as_speaking() {
        for seat in SEATS {
            assert_eq!(is_open(seat), may_receive(seat, Customer, Audio), "{seat:?}");
        }
    }
}
