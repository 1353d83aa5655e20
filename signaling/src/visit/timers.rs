//! What happens to a visit when nothing happens.

use std::time::Duration;

use super::{Outbox, Outcome, Visit, state::VisitState};

impl Visit {
    pub(super) fn tick(&mut self, out: &mut Outbox) {
        match self.state.phase {
            VisitState::Closed => {}
            VisitState::Invited => self.expire(out),
            VisitState::Preparing if self.state.recording.is_none() => self.expire(out),
            VisitState::Preparing => self.give_up_after(out, self.limits.first_connection),
            VisitState::Checking | VisitState::Waiting => {
                self.give_up_after(out, self.limits.waiting_lost);
            }
            VisitState::InCall => {
                self.tick_call(out);
                self.tick_supervisors(out);
            }
        }
    }

    /// A link opens a visit only for so long; what has begun by then goes on.
    fn expire(&mut self, out: &mut Outbox) {
        if out.now.wall >= self.state.created.expires {
            self.close(out, Outcome::Abandoned);
        }
    }

    fn give_up_after(&mut self, out: &mut Outbox, patience: Duration) {
        let gone = self.live.customer_lost.map(|since| out.now.mono.since(since));
        if gone.is_some_and(|d| d >= patience) {
            self.close(out, Outcome::Abandoned);
        }
    }

    fn tick_call(&mut self, out: &mut Outbox) {
        let now = out.now.mono;
        let customer = self.live.customer_lost.map(|since| now.since(since));
        let staff = self.live.staff_lost.map(|since| now.since(since));
        if customer.max(staff).is_some_and(|d| d >= self.limits.call_lost) {
            self.close(out, Outcome::Interrupted);
            return;
        }
        if customer.is_some_and(|d| d >= self.limits.call_grace) && !self.live.customer_alarmed {
            self.live.customer_alarmed = true;
            self.alarm(out, "customer_lost");
        }
        if staff.is_some_and(|d| d >= self.limits.call_grace) && !self.live.staff_alarmed {
            self.live.staff_alarmed = true;
            self.alarm(out, "staff_lost");
        }
    }
}
