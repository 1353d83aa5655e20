import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { Problem } from "../problem.js";
import type { MediaAnswer } from "../protocol.js";
import { MediaSession, type MediaSessionState } from "./session.js";

/** Only what the session touches of a peer connection. */
class FakeConnection {
  static made: FakeConnection[] = [];
  connectionState = "new";
  signalingState = "stable";
  localDescription: { sdp: string } | null = null;
  ontrack: unknown = null;
  onconnectionstatechange: (() => void) | null = null;
  constructor() {
    FakeConnection.made.push(this);
  }
  /** What each sending section sends, in the order of the offer. */
  sends: (string | null)[] = [];
  agreed = ["video/H264", "video/VP8"];
  encodings: [{ codec?: { mimeType: string } }][] = [];
  /** In what camera and screen are sent. */
  get codecs() {
    return this.encodings.slice(1, 3).map(([encoding]) => encoding.codec?.mimeType ?? null);
  }
  restarts = 0;
  addTransceiver = () => {
    const at = this.sends.push(null) - 1;
    const encodings: [{ codec?: { mimeType: string } }] = [{}];
    this.encodings.push(encodings);
    const sender = {
      track: null as { kind: string } | null,
      getParameters: () => ({
        codecs: this.agreed.map((mimeType) => ({ mimeType })),
        encodings: encodings.map((encoding) => ({ ...encoding })),
      }),
      setParameters: (parameters: { encodings: typeof encodings }) => {
        [encodings[0]] = parameters.encodings;
        return Promise.resolve();
      },
      getStats: () => Promise.resolve(new Map()),
      replaceTrack: (track: { kind: string } | null) => {
        sender.track = track;
        this.sends[at] = track?.kind ?? null;
        return Promise.resolve();
      },
    };
    this.transceivers.push({ mid: String(at), receiver: { track: { kind: "video", at } } });
    return { sender };
  };
  transceivers: unknown[] = [];
  getTransceivers = () => this.transceivers;
  createOffer = () => Promise.resolve({ sdp: "offer" });
  setLocalDescription = () => {
    this.localDescription = { sdp: "offer" };
    return Promise.resolve();
  };
  restartIce = () => void (this.restarts += 1);
  setRemoteDescription = () => Promise.resolve();
  close = () => void (this.signalingState = "closed");
  become(state: string) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const last = () => {
  const connection = FakeConnection.made.at(-1);
  if (connection === undefined) throw new Error("no connection was made");
  return connection;
};

const PICTURE = "m=video 9 X 97\r\na=rtpmap:97 H264/90000\r\n";
const answer = (connection = 1, ssrc = 7) =>
  Promise.resolve<MediaAnswer>({ sdp: `${PICTURE}a=ssrc:${ssrc} cname:x\r\n`, connection });
const sees = (connected: boolean, connection: number) => ({
  connected,
  peer_connected: true,
  connection,
});

/** A captured stream with one track. */
const streamOf = (track: { kind: string }) =>
  ({
    getTracks: () => [track],
    getAudioTracks: () => (track.kind === "audio" ? [track] : []),
    getVideoTracks: () => (track.kind === "video" ? [track] : []),
  }) as unknown as MediaStream;

function setUp(
  negotiate: (offer: string) => Promise<MediaAnswer> = () => answer(),
  reset: () => void = () => undefined,
) {
  const track = { kind: "audio", enabled: true };
  const stream = streamOf(track);
  const states: MediaSessionState[] = [];
  const session = new MediaSession({
    stream,
    negotiate,
    onChange: (state) => states.push(state),
    backoff: { next: () => 100, reset },
  });
  return { session, states, track };
}

beforeEach(() => {
  vi.useFakeTimers();
  FakeConnection.made = [];
  vi.stubGlobal("RTCPeerConnection", FakeConnection);
  vi.stubGlobal("RTCRtpReceiver", { getCapabilities: () => null });
  vi.stubGlobal(
    "MediaStream",
    class {
      constructor(readonly tracks: unknown[]) {}
      getTracks = () => this.tracks;
    },
  );
  vi.stubGlobal("addEventListener", () => undefined);
  vi.stubGlobal("removeEventListener", () => undefined);
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("a media session", () => {
  it("joins with one offer and is connected", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    expect(session.current.status).toBe("connected");
    expect(FakeConnection.made).toHaveLength(1);
  });

  it("joins again by itself when the connection fails", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    last().become("failed");
    expect(session.current.status).toBe("reconnecting");
    await vi.advanceTimersByTimeAsync(100);
    expect(FakeConnection.made).toHaveLength(2);
    last().become("connected");
    expect(session.current.status).toBe("connected");
  });

  it("lets a short loss heal, and restarts ICE in a long one", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(1000);
    last().become("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(FakeConnection.made).toHaveLength(1);
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(3000);
    expect(last().restarts).toBe(1);
    expect(session.current.status).toBe("reconnecting");
    last().become("connected");
    expect(session.current.status).toBe("connected");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(FakeConnection.made).toHaveLength(1);
  });

  it("makes everything anew where a restart does not help", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(8_200);
    expect(FakeConnection.made).toHaveLength(2);
  });

  it("makes everything anew where the server has lost the connection", async () => {
    let joins = 0;
    const { session } = setUp(() => answer(++joins, joins));
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(2_200);
    expect(FakeConnection.made).toHaveLength(2);
    expect(session.current.status).toBe("reconnecting");
  });

  it("restarts again until the server can be asked, and does not drop what is up", async () => {
    let joins = 0;
    const down = new Problem("network", 0, "down");
    const { session } = setUp(() => (++joins === 1 || joins > 3 ? answer() : Promise.reject(down)));
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(2_500);
    expect(last().restarts).toBe(3);
    last().become("connected");
    expect(session.current).toMatchObject({ status: "connected", problem: null });
    expect(FakeConnection.made).toHaveLength(1);
  });

  it("notices another page also after a restart that could not be asked for", async () => {
    let joins = 0;
    const down = new Problem("network", 0, "down");
    const { session } = setUp(() => (++joins === 1 ? answer() : Promise.reject(down)));
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(2_050);
    expect(last().restarts).toBe(1);
    last().become("connected");
    session.serverSees(sees(false, 2));
    expect(session.current).toMatchObject({ status: "failed", problem: { code: "replaced" } });
  });

  it("does not take a connection whose answer was lost for another page's", async () => {
    let joins = 0;
    const down = new Problem("network", 0, "down");
    const { session } = setUp(() => (++joins === 2 ? Promise.reject(down) : answer(joins, joins)));
    session.start();
    await settle();
    last().become("connected");
    last().become("disconnected");
    await vi.advanceTimersByTimeAsync(2_050);
    session.serverSees(sees(false, 2));
    expect(session.current.status).toBe("reconnecting");
  });

  it("shows whom the slot table names, and no more than once", async () => {
    const { session, states } = setUp();
    session.start();
    await settle();
    last().become("connected");
    const slots = [
      { mid: "1", kind: "video" as const, from: "a" },
      { mid: "5", kind: "screen" as const, from: "a" },
      { mid: "6", kind: "video" as const, from: null },
      { mid: "9", kind: "video" as const, from: "b" },
    ];
    session.showSlots(slots);
    const [remote] = session.current.remotes;
    expect(session.current.remotes).toHaveLength(1);
    expect(remote).toMatchObject({ participant: "a", picture: true, voice: false });
    expect(remote?.screen?.getTracks()).toHaveLength(1);
    const told = states.length;
    session.showSlots([...slots]);
    expect(states).toHaveLength(told);
    session.showSlots([]);
    expect(session.current.remotes).toEqual([]);
  });

  it("sends pictures in what the server says, live and after a reconnect", async () => {
    const { session } = setUp();
    session.start();
    session.sendIn("h264");
    await settle();
    last().become("connected");
    expect(last().codecs).toEqual([null, null]);
    session.sendIn("vp8");
    await settle();
    expect(last().codecs).toEqual(["video/VP8", "video/VP8"]);
    last().become("failed");
    await vi.advanceTimersByTimeAsync(100);
    expect(FakeConnection.made).toHaveLength(2);
    expect(last().codecs).toEqual(["video/VP8", "video/VP8"]);
    for (const codec of ["h264", "vp8", "h264"] as const) session.sendIn(codec);
    await settle();
    expect(last().codecs).toEqual(["video/H264", "video/H264"]);
    expect(session.current.unseen).toBe(false);
    last().agreed = [];
    session.sendIn("vp8");
    await settle();
    expect(session.current.unseen).toBe(true);
  });

  it("has its offer ready before it joins, and sends what comes later", async () => {
    const { session, track } = setUp();
    session.prepare();
    await settle();
    const camera = { kind: "video", enabled: true };
    const both = {
      getTracks: () => [track, camera],
      getAudioTracks: () => [track],
      getVideoTracks: () => [camera],
    } as unknown as MediaStream;
    session.use(both);
    session.start();
    await settle();
    expect(FakeConnection.made).toHaveLength(1);
    expect(last().sends.slice(0, 3)).toEqual(["audio", "video", null]);
    session.share(streamOf({ kind: "video" }));
    await settle();
    expect(last().sends[2]).toBe("video");
    session.use(null);
    await settle();
    expect(last().sends.slice(0, 3)).toEqual([null, null, "video"]);
  });

  it("keeps trying while the server is away", async () => {
    let tries = 0;
    const { session } = setUp(() => {
      tries += 1;
      return tries < 3 ? Promise.reject(new Problem("network", 0, "down")) : answer();
    });
    session.start();
    await vi.advanceTimersByTimeAsync(500);
    expect(tries).toBe(3);
    last().become("connected");
    expect(session.current.problem).toBeNull();
  });

  it("stops at a refusal, says why, and tries again only when asked", async () => {
    const { session } = setUp(() => Promise.reject(new Problem("codec_not_agreed", 422, "")));
    session.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.current).toMatchObject({
      status: "failed",
      problem: { code: "codec_not_agreed" },
    });
    expect(FakeConnection.made).toHaveLength(1);
    session.retry();
    await settle();
    expect(FakeConnection.made).toHaveLength(2);
  });

  it("gives up on an answer that never connects", async () => {
    const { session } = setUp();
    session.start();
    await vi.advanceTimersByTimeAsync(8_200);
    expect(FakeConnection.made).toHaveLength(2);
    expect(session.current.status).toBe("reconnecting");
  });

  it("believes the server that it was lost, but not a snapshot from before it joined", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    session.serverSees(sees(false, 1));
    expect(FakeConnection.made).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(4_000);
    session.serverSees(sees(false, 1));
    await vi.advanceTimersByTimeAsync(100);
    expect(FakeConnection.made).toHaveLength(2);
  });

  it("makes way for another page and takes over again only when asked", async () => {
    let joins = 0;
    const { session } = setUp(() => answer(++joins));
    session.start();
    await settle();
    last().become("connected");
    joins += 1;
    session.serverSees(sees(false, joins));
    last().become("failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.current).toMatchObject({ status: "failed", problem: { code: "replaced" } });
    expect(FakeConnection.made).toHaveLength(1);
    session.retry();
    await settle();
    last().become("connected");
    session.serverSees(sees(true, joins));
    expect(session.current).toMatchObject({ status: "connected", problem: null });
  });

  it("hears while it waits to join again that another page has taken over", async () => {
    const { session } = setUp();
    session.start();
    await settle();
    last().become("connected");
    last().become("failed");
    session.serverSees(sees(false, 2));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(session.current).toMatchObject({ status: "failed", problem: { code: "replaced" } });
    expect(FakeConnection.made).toHaveLength(1);
  });

  it("does not take its own new connection for another page's", async () => {
    let answered: (answer: MediaAnswer) => void = () => undefined;
    const { session } = setUp(() => new Promise((resolve) => (answered = resolve)));
    session.start();
    await settle();
    session.serverSees(sees(false, 1));
    answered({ sdp: "", connection: 1 });
    await settle();
    last().become("connected");
    session.serverSees(sees(true, 1));
    expect(session.current.status).toBe("connected");
  });

  it("waits longer and longer while connections do not last", async () => {
    let resets = 0;
    const { session } = setUp(undefined, () => (resets += 1));
    session.start();
    await settle();
    last().become("connected");
    await vi.advanceTimersByTimeAsync(9_000);
    last().become("failed");
    await vi.advanceTimersByTimeAsync(100);
    expect(resets).toBe(0);
    last().become("connected");
    await vi.advanceTimersByTimeAsync(10_000);
    expect(resets).toBe(1);
  });

  it("mutes without losing the connection and is silent once stopped", async () => {
    const { session, states, track } = setUp();
    session.start();
    await settle();
    last().become("connected");
    session.setMicrophone(false);
    expect(track.enabled).toBe(false);
    expect(session.current.microphone).toBe(false);
    session.stop();
    const told = states.length;
    last().become("failed");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(states).toHaveLength(told);
  });
});
