/**
 * One peer connection: fixed media sections, offered once. People who join, leave or share a screen
 * change the server's slot table; only an ICE restart makes a second offer.
 */
import type { Negotiate } from "../api.js";
import { Problem } from "../problem.js";
import type { VideoCodec } from "../protocol.js";
import { branchVideoCodecs, sendIn } from "./codecs.js";
import { preferredPicture, sameStreams, withAudioNack } from "./offer.js";

/** Enough for 720p with legible documents; the browser goes below it by itself on a thin line. */
const CAMERA_MAX_BPS = 1_500_000;
const SCREEN_MAX_BPS = 2_000_000;
/**
 * Others whom one can hear and see besides the other party: a third party or supervisor each, and
 * a screen takes one picture. More only makes the offer longer.
 */
const MORE_SLOTS = 2;

export type Sources = { camera: MediaStream | null; screen: MediaStream | null };

export class Connection {
  readonly peer: RTCPeerConnection;
  private readonly microphone: RTCRtpSender;
  private readonly camera: RTCRtpSender;
  private readonly screen: RTCRtpSender;
  private offered: Promise<void> | null = null;
  private answer: string | null = null;
  /** The last change of codec: a sender takes one at a time. */
  private coding: Promise<unknown> = Promise.resolve();

  constructor(onState: (state: RTCPeerConnectionState) => void) {
    const peer = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.peer = peer;
    peer.onconnectionstatechange = () => onState(peer.connectionState);
    // The server's order: first sound and picture are shown in sync, the second picture it is sent
    // is the screen.
    this.microphone = peer.addTransceiver("audio", { direction: "sendrecv" }).sender;
    this.camera = video(peer, "sendrecv", CAMERA_MAX_BPS);
    this.screen = video(peer, "sendonly", SCREEN_MAX_BPS);
    for (let more = 0; more < MORE_SLOTS; more += 1) {
      peer.addTransceiver("audio", { direction: "recvonly" });
      video(peer, "recvonly");
    }
  }

  /** Puts what is captured on its way: before, during or after the negotiation. */
  async send({ camera, screen }: Sources): Promise<void> {
    await Promise.all([
      put(this.microphone, camera?.getAudioTracks()[0]),
      put(this.camera, camera?.getVideoTracks()[0]),
      put(this.screen, screen?.getVideoTracks()[0]),
    ]);
  }

  /** Makes the offer, which takes no network. Done early, it is no wait at the join. */
  prepare(): Promise<void> {
    this.offered ??= offer(this.peer);
    return this.offered;
  }

  /**
   * Offers and takes the answer. The offer goes out without waiting for candidates: the server is
   * ICE-lite and learns our address from our checks, so waiting would only cost time.
   */
  async join(negotiate: Negotiate): Promise<void> {
    await this.prepare();
    await this.exchange(negotiate);
  }

  /** New addresses and credentials for the same connection. False: the server had lost it. */
  async restart(negotiate: Negotiate): Promise<boolean> {
    const { answer, peer } = this;
    if (answer === null || peer.signalingState !== "stable") return false;
    peer.restartIce();
    await offer(peer);
    await this.exchange(negotiate);
    return this.answer !== null && sameStreams(answer, this.answer);
  }

  private async exchange(negotiate: Negotiate): Promise<void> {
    const { peer } = this;
    const sdp = peer.localDescription?.sdp;
    if (sdp === undefined) throw new Problem("capture_failed", 0, "no local description");
    try {
      const answer = await negotiate(sdp);
      if (closed(peer)) return;
      await peer.setRemoteDescription({ type: "answer", sdp: answer.sdp });
      this.answer = answer.sdp;
    } catch (thrown) {
      // A restart that could not be asked for can be tried again.
      if (this.answer !== null && peer.signalingState === "have-local-offer") {
        await peer.setLocalDescription({ type: "rollback" });
      }
      throw thrown;
    }
  }

  /** There is an answer: it is known what can be sent. */
  get isAgreed(): boolean {
    return this.answer !== null;
  }

  /** Sends pictures in this codec from now on. False: this browser cannot change it any more. */
  sendIn(codec: VideoCodec): Promise<boolean> {
    const change = async () => {
      const preferred = preferredPicture(this.answer ?? "");
      const senders = [this.camera, this.screen];
      const done = await Promise.all(senders.map((each) => sendIn(each, codec, preferred)));
      return done.every(Boolean);
    };
    const changed = this.coding.then(change).catch(() => false);
    this.coding = changed;
    return changed;
  }

  /** What arrives on a media section. */
  track(mid: string): MediaStreamTrack | null {
    const section = this.peer.getTransceivers().find((transceiver) => transceiver.mid === mid);
    return section?.receiver.track ?? null;
  }

  /** Whether this machine is too slow for what it should send. */
  async isCpuLimited(): Promise<boolean> {
    let limited = false;
    (await this.camera.getStats()).forEach((entry: Record<string, unknown>) => {
      limited ||= entry.type === "outbound-rtp" && entry.qualityLimitationReason === "cpu";
    });
    return limited;
  }

  close(): void {
    this.peer.onconnectionstatechange = null;
    this.peer.close();
  }
}

function closed(peer: RTCPeerConnection): boolean {
  return peer.signalingState === "closed";
}

async function put(sender: RTCRtpSender, track: MediaStreamTrack | undefined): Promise<void> {
  const wanted = track ?? null;
  if (sender.track !== wanted) await sender.replaceTrack(wanted);
}

function video(
  peer: RTCPeerConnection,
  direction: RTCRtpTransceiverDirection,
  maxBitrate?: number,
): RTCRtpSender {
  const transceiver = peer.addTransceiver("video", {
    direction,
    ...(maxBitrate === undefined ? {} : { sendEncodings: [{ maxBitrate }] }),
  });
  const capabilities = RTCRtpReceiver.getCapabilities("video");
  if (capabilities && "setCodecPreferences" in transceiver) {
    const codecs = branchVideoCodecs(capabilities.codecs);
    if (codecs.length === 0) throw new Problem("no_codec", 0, "neither H.264 nor VP8");
    transceiver.setCodecPreferences(codecs);
  }
  return transceiver.sender;
}

async function offer(peer: RTCPeerConnection): Promise<void> {
  const { sdp = "" } = await peer.createOffer();
  if (closed(peer)) return;
  try {
    await peer.setLocalDescription({ type: "offer", sdp: withAudioNack(sdp) });
  } catch {
    // A browser that takes only its own words still has its other means against loss.
    if (!closed(peer)) await peer.setLocalDescription();
  }
}
