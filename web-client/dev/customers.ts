/** The customer's view in every state, for looking at the page without a server. */
import type { Advice, CustomerView } from "../packages/sdk/src/protocol";
import { callOf, consents, on, product, slot, staff, steps } from "./views";

const fresh: CustomerView = {
  visit: "11111111-1111-4111-8111-111111111111",
  number: "A-0042",
  state: "invited",
  product,
  consents: {
    texts: [
      { subject: "recording", version: consents.version, text: consents.recording },
      { subject: "face", version: consents.version, text: consents.face },
    ],
    recording: null,
    face: null,
  },
  media: { connected: false, peer_connected: false, connection: 0 },
  call: callOf("c", "c"),
  liveness: null,
  queue: null,
  staff: null,
  recording: "off",
  steps: [],
  outcome: null,
};

const agreed = { ...fresh.consents, recording: true, face: true };

function liveness(change: Partial<NonNullable<CustomerView["liveness"]>>): CustomerView {
  return {
    ...fresh,
    consents: agreed,
    state: "checking",
    media: on,
    liveness: {
      status: "running",
      attempt: 1,
      attempts_left: 2,
      challenge: null,
      advice: null,
      flash: null,
      ...change,
    },
  };
}

const checked = liveness({ status: "passed" }).liveness;

function inCall(change: Partial<CustomerView>): CustomerView {
  return {
    ...fresh,
    consents: agreed,
    state: "in_call",
    media: on,
    staff,
    call: callOf("c", "cs"),
    recording: "on",
    steps: steps(0, false),
    ...change,
  };
}

function waiting(ahead: number): CustomerView {
  return {
    ...fresh,
    consents: agreed,
    state: "waiting",
    media: { connected: true, peer_connected: false, connection: 1 },
    queue: { position: ahead + 1, ahead },
  };
}

function closed(outcome: NonNullable<CustomerView["outcome"]>, done: number): CustomerView {
  return { ...fresh, consents: agreed, state: "closed", outcome, steps: steps(done, false) };
}

const ADVICES = [
  ...["no_face", "several_faces", "come_closer", "move_back", "center_face", "more_light"],
  ...["softer_light", "hold_still", "uncover_face", "look_straight", "good"],
] as Advice[];
const FLASHES = ["#ff0000", "#00ff00", "#0000ff", "#ffff00", "#ff00ff", "#00ffff", "#ffffff"];

/**
 * A whole check, as a server pushes it: when (in ms, from the start) and what. For looking at the
 * page in motion.
 */
export function runOfCheck(): { at: number; view: CustomerView }[] {
  const gestures = (["smile", "turn_left", "open_mouth"] as const).map((kind, index) => ({
    at: 2_000 + index * 2_500,
    view: liveness({ challenge: { kind, index, of: 3 }, advice: "good" }),
  }));
  const colours = FLASHES.map((colour, index) => ({
    at: 10_000 + index * 450,
    view: liveness({ advice: "good", flash: { colour, index, of: FLASHES.length } }),
  }));
  const after = 10_000 + FLASHES.length * 450;
  return [
    { at: 0, view: liveness({ advice: "come_closer" }) },
    ...gestures,
    ...colours,
    { at: after, view: liveness({ advice: "good" }) },
    { at: after + 1_500, view: liveness({ status: "passed" }) },
  ];
}

/** The customer's view by link token. */
export const customers: Record<string, CustomerView> = {
  invited: fresh,
  preparing: { ...fresh, consents: agreed, state: "preparing" },
  "check-start": liveness({ status: "not_started", attempt: 0, attempts_left: 3 }),
  "check-blink": liveness({ challenge: { kind: "blink", index: 0, of: 3 }, advice: "good" }),
  "check-left": liveness({
    challenge: { kind: "turn_left", index: 1, of: 3 },
    advice: "come_closer",
  }),
  "check-right": liveness({ challenge: { kind: "turn_right", index: 2, of: 3 }, advice: "good" }),
  "check-mouth": liveness({
    challenge: { kind: "open_mouth", index: 0, of: 4 },
    advice: "hold_still",
  }),
  "check-nod": liveness({ challenge: { kind: "nod", index: 1, of: 4 }, advice: "uncover_face" }),
  "check-smile": liveness({
    challenge: { kind: "smile", index: 3, of: 4 },
    advice: "softer_light",
  }),
  ...Object.fromEntries(
    ADVICES.map((advice) => [
      `check-advice-${advice}`,
      liveness({ challenge: { kind: "blink", index: 0, of: 3 }, advice }),
    ]),
  ),
  ...Object.fromEntries(
    FLASHES.map((colour, index) => [
      `check-flash-${index}`,
      liveness({ advice: "good", flash: { colour, index, of: FLASHES.length } }),
    ]),
  ),
  /** The first of a whole check; the others are pushed. */
  "check-run": liveness({ advice: "come_closer" }),
  "check-limit": liveness({ status: "not_started", attempt: 0, attempts_left: 3 }),
  "check-exhausted": liveness({ status: "failed", attempt: 3, attempts_left: 0 }),
  "check-failed": liveness({ status: "failed", attempt: 1, attempts_left: 2 }),
  "waiting-3": waiting(3),
  "waiting-0": waiting(0),
  "call-face": inCall({ steps: steps(1, true), liveness: checked }),
  "call-start": inCall({ recording: "starting" }),
  "call-identity": inCall({ steps: steps(0, true) }),
  "call-disclosure": inCall({ steps: steps(1, true) }),
  "call-question": inCall({ steps: steps(2, true) }),
  "call-document": inCall({ steps: steps(3, true) }),
  "call-signature": inCall({ steps: steps(4, true) }),
  "call-many": inCall({ steps: steps(1, true), call: callOf("c", "cstb") }),
  "call-screen": inCall({
    call: callOf("c", "cst", { slots: [slot("6", "screen", "s")] }),
  }),
  "call-slow": inCall({
    call: {
      ...callOf("c", "cs"),
      participants: callOf("c", "cs").participants.map((each) =>
        each.participant === "c" ? { ...each, quality: { score: 1, cause: "bitrate" } } : each,
      ),
    },
  }),
  "closed-completed": closed("completed", 5),
  "closed-declined": closed("declined", 2),
  "closed-interrupted": closed("interrupted", 1),
};
