import { describe, expect, it } from "vitest";

import type { CallParticipant, CallView, Remote, Seat } from "@vbranch/sdk";

import { arrange, nameKey, own } from "./people";

const someone = (participant: string, seat: Seat, connected = true): CallParticipant => ({
  participant,
  seat,
  guest: seat === "third_party",
  connected,
  muted: [],
  quality: null,
});
const call = (participants: CallParticipant[], speaker: string | null = null): CallView => ({
  me: "me",
  participants: [someone("me", "staff"), ...participants],
  slots: [],
  speaker,
  video_codec: "h264",
});
const stream = (id: string) => ({ id }) as unknown as MediaStream;
const remote = (participant: string, screen: MediaStream | null = null): Remote => ({
  participant,
  stream: stream(participant),
  picture: true,
  voice: true,
  screen,
});

describe("who is shown where", () => {
  it("the other party is large, the rest are beside, and oneself is not among them", () => {
    const people = [
      someone("c", "customer"),
      someone("t", "third_party"),
      someone("b", "supervisor_barged_in"),
    ];
    const { main, others, screen } = arrange(call(people, "t"), [remote("c")], "customer");
    expect(main?.remote?.participant).toBe("c");
    expect(others.map((person) => person.participant)).toEqual(["t", "b"]);
    expect(others.map((person) => person.speaking)).toEqual([true, false]);
    expect(screen).toBeNull();
  });

  it("who only watches takes no place, and who is gone leaves theirs", () => {
    const people = [
      someone("c", "customer", false),
      someone("s", "supervisor_silent"),
      someone("t", "third_party", false),
    ];
    const { main, others } = arrange(call(people), [], "customer");
    expect(main?.participant).toBe("c");
    expect(others).toEqual([]);
  });

  it("a shared screen is shown with who shares it", () => {
    const shared = stream("screen");
    const { screen } = arrange(call([someone("c", "customer")]), [remote("c", shared)], "customer");
    expect(screen?.stream).toBe(shared);
    expect(screen?.by.seat).toBe("customer");
  });

  it("a guest who only watches is not called a supervisor", () => {
    const silent = someone("s", "supervisor_silent");
    expect(nameKey(silent)).toBe("call.seat.supervisor_silent");
    expect(nameKey({ ...silent, guest: true })).toBe("call.observer");
    expect(nameKey(someone("t", "third_party"))).toBe("call.seat.third_party");
  });

  it("one's own connection is found", () => {
    expect(own(call([]))?.seat).toBe("staff");
    expect(own({ ...call([]), me: "nobody" })).toBeNull();
  });
});
