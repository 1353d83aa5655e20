/** Who is to be shown where in a call. Pure: the snapshot and what arrives decide. */
import type { CallParticipant, CallView, Remote, Seat } from "@vbranch/sdk";

export type Person = CallParticipant & { speaking: boolean; remote: Remote | null };

export type Arrangement = {
  /** The other party, large unless a screen is shared. */
  main: Person | null;
  /** Everybody else who can be heard or seen. */
  others: Person[];
  /** The screen that is shared with us. */
  screen: { stream: MediaStream; by: Person } | null;
};

/** Everybody but ourselves and those who only watch; `mainSeat` is the other party's. */
export function arrange(call: CallView, remotes: Remote[], mainSeat: Seat): Arrangement {
  const people = call.participants
    .filter((each) => each.participant !== call.me && each.seat !== "supervisor_silent")
    .map((each) => ({
      ...each,
      speaking: each.participant === call.speaker,
      remote: remotes.find((remote) => remote.participant === each.participant) ?? null,
    }));
  const main = people.find((person) => person.seat === mainSeat) ?? null;
  const others = people.filter((person) => person !== main && person.connected);
  const sharing = people.find((person) => person.remote?.screen != null);
  const stream = sharing?.remote?.screen ?? null;
  const screen = sharing === undefined || stream === null ? null : { stream, by: sharing };
  return { main, others, screen };
}

/** What somebody is called. A guest who watches has a silent supervisor's seat and is none. */
export function nameKey({ seat, guest }: CallParticipant) {
  return guest && seat === "supervisor_silent" ? "call.observer" : (`call.seat.${seat}` as const);
}

/** What a person's own connection is like, once that is known. */
export function own(call: CallView): CallParticipant | null {
  return call.participants.find((each) => each.participant === call.me) ?? null;
}
