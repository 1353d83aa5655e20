import { type Page, expect } from "@playwright/test";

export type Seat =
  | "customer"
  | "staff"
  | "third_party"
  | "supervisor_silent"
  | "supervisor_whispering"
  | "supervisor_barged_in";
export type Kind = "audio" | "video" | "screen";
/** A call as the server tells one of its participants. */
export type CallView = {
  me: string;
  participants: { participant: string; seat: Seat; connected: boolean; muted: Kind[] }[];
  slots: { mid: string; kind: Kind; from: string | null }[];
};

/** Asks the server how a participant's call is now. */
export type Ask = () => Promise<CallView>;

export function seats(call: CallView): Seat[] {
  return call.participants.map((each) => each.seat).sort();
}

/** What a page has received on each media section of its newest connection, by mid. */
type Sections = Record<string, { energy: number; frames: number; packets: number }>;

export async function sections(page: Page): Promise<Sections> {
  return page.evaluate(async () => {
    const result: Record<string, { energy: number; frames: number; packets: number }> = {};
    const peer = window.e2ePeers.findLast((candidate) => candidate.connectionState !== "closed");
    (await peer?.getStats())?.forEach((entry) => {
      if (entry.type !== "inbound-rtp") return;
      const before = result[entry.mid] ?? { energy: 0, frames: 0, packets: 0 };
      result[entry.mid] = {
        energy: before.energy + (entry.totalAudioEnergy ?? 0),
        frames: before.frames + (entry.framesDecoded ?? 0),
        packets: before.packets + (entry.packetsReceived ?? 0),
      };
    });
    return result;
  });
}

/** A second of comfort noise stays far below; a second of the test sound is far above. */
const AUDIBLE = 1e-3;

/** Somebody's voice, or picture, arrives at a page in the slot that the table names. */
export async function expectToReceive(
  page: Page,
  ask: Ask,
  seat: Seat,
  kind: Kind,
  withinMs = 45_000,
): Promise<void> {
  const arrived = async (): Promise<number> => {
    const mid = midOf(await ask(), seat, kind);
    const section = mid === null ? undefined : (await sections(page))[mid];
    if (section === undefined) return 0;
    return kind === "audio" ? section.energy / AUDIBLE : section.frames / ENOUGH_FRAMES;
  };
  const before = await arrived();
  await expect
    .poll(arrived, { message: `${kind} of ${seat} arrives`, timeout: withinMs })
    .toBeGreaterThan(before + 1);
}

const ENOUGH_FRAMES = 5;

/** For a while nothing can be heard on this page but, at most, who sits there. */
export async function expectToHearOnly(
  page: Page,
  ask: Ask,
  seat: Seat | null,
  forMs = 3_000,
): Promise<void> {
  const allowed = seat === null ? null : midOf(await ask(), seat, "audio");
  let before = await sections(page);
  const heard = async (): Promise<Record<string, number>> => {
    const after = await sections(page);
    const grown = Object.entries(after)
      .map(([mid, { energy }]) => [mid, energy - (before[mid]?.energy ?? 0)] as const)
      .filter(([mid, energy]) => mid !== allowed && energy >= AUDIBLE);
    before = after;
    return Object.fromEntries(grown);
  };
  // What had arrived by now is still being played.
  await expect.poll(heard, { message: "silence, by section" }).toEqual({});
  await page.waitForTimeout(forMs);
  expect(await heard(), "what is heard, by section").toEqual({});
}

function midOf(call: CallView, seat: Seat, kind: Kind): string | null {
  const who = call.participants.find((each) => each.seat === seat)?.participant;
  const slot = call.slots.find((each) => each.from === who && each.kind === kind);
  return who === undefined ? null : (slot?.mid ?? null);
}
