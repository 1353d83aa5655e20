/**
 * A page's camera, microphone, shared screen and media session: one owner from "allow camera" to
 * hanging up.
 */
import {
  MediaSession,
  Problem,
  asProblem,
  closeCapture,
  openCapture,
  openScreen,
  requireSupport,
  type CallView,
  type MediaSessionState,
  type MediaState,
  type Negotiate,
} from "@vbranch/sdk";

import { track } from "../debug";
import { createStore } from "../store";

export type CallMediaState = {
  capture: "off" | "opening" | "open" | "failed";
  stream: MediaStream | null;
  problem: Problem | null;
  /** Null until the call is joined. */
  session: MediaSessionState | null;
};

/** What a person lets others hear and see of them. */
export type Devices = "none" | "microphone" | "both";

const OFF: CallMediaState = { capture: "off", stream: null, problem: null, session: null };
/** A person who muted and reloads must not be heard all of a sudden. */
const MUTED_KEY = "vbranch.muted";

export class CallMedia {
  readonly state = createStore<CallMediaState>(OFF);
  private session: MediaSession | null = null;
  private negotiate: Negotiate | null = null;
  private joined = false;
  private wanted: Devices = "none";
  private opening = 0;

  /** `onCpuLimited`: this machine is too slow for what it should send, or no longer. */
  constructor(private readonly onCpuLimited: (limited: boolean) => void) {}

  /** What is open, or about to be. */
  get devices(): Devices {
    return this.wanted;
  }

  /** Opens camera and microphone, if they are not open already. */
  async open(): Promise<boolean> {
    const { capture } = this.state.get();
    if (capture === "open" && this.wanted === "both") return true;
    if (capture === "opening") return false;
    return this.use("both");
  }

  /** Opens what is to be heard and seen of this person from now on, and lets go of the rest. */
  async use(devices: Devices): Promise<boolean> {
    const turn = ++this.opening;
    this.wanted = devices;
    if (devices === "none") {
      this.release("off");
      return true;
    }
    this.state.patch({ capture: "opening", problem: null });
    try {
      requireSupport();
      // The offer is made while the devices open: both take their time.
      this.prepare();
      const stream = await openCapture(devices === "both");
      if (turn !== this.opening) {
        closeCapture(stream);
        return false;
      }
      this.opened(stream);
      return true;
    } catch (thrown) {
      if (turn !== this.opening) return false;
      this.release("failed");
      this.state.patch({ problem: asProblem(thrown) });
      return false;
    }
  }

  /** Joins the call now, or as soon as the devices are open. */
  join(negotiate: Negotiate): void {
    this.negotiate ??= negotiate;
    const { capture } = this.state.get();
    if (capture === "off") void this.open();
    else if (capture === "open") this.startSession();
  }

  /** Joins the call with whatever is open, be it nothing: to hear and see. */
  attend(negotiate: Negotiate): void {
    this.negotiate ??= negotiate;
    this.startSession();
  }

  /** Hangs up and lets go of the devices. */
  leave(): void {
    this.opening += 1;
    this.wanted = "none";
    this.negotiate = null;
    this.stopSharing();
    this.session?.stop();
    this.session = null;
    this.joined = false;
    this.release("off");
    this.state.set(OFF);
  }

  setMicrophone(on: boolean): void {
    this.session?.setMicrophone(on);
    rememberMuted(!on);
  }

  setCamera(on: boolean): void {
    this.session?.setCamera(on);
  }

  /** Lets the person choose a screen and shows it to the others. */
  async share(): Promise<void> {
    const screen = await openScreen();
    const shown = screen?.getVideoTracks()[0];
    if (screen === null || shown === undefined) return;
    if (!this.joined || this.session === null) {
      closeCapture(screen);
      return;
    }
    // The browser has a button of its own to end it.
    shown.onended = () => this.stopSharing();
    this.session.share(screen);
  }

  stopSharing(): void {
    const screen = this.session?.current.screen ?? null;
    if (screen === null) return;
    screen.getTracks().forEach((each) => (each.onended = null));
    closeCapture(screen);
    this.session?.share(null);
  }

  /** What the server's snapshot says of our media and of whom it sends us. */
  heard(media: MediaState, call: CallView): void {
    this.session?.showSlots(call.slots);
    this.session?.sendIn(call.video_codec);
    if (this.joined) this.session?.serverSees(media);
  }

  retry(): void {
    const { capture } = this.state.get();
    if (capture === "open" || this.wanted === "none") this.session?.retry();
    else void this.use(this.wanted);
  }

  private opened(stream: MediaStream): void {
    this.release("opening");
    for (const each of stream.getTracks()) each.onended = () => this.unplugged();
    this.session?.use(stream);
    this.state.patch({ capture: "open", stream });
    if (this.negotiate !== null) this.startSession();
  }

  private release(capture: CallMediaState["capture"]): void {
    const { stream } = this.state.get();
    stream?.getTracks().forEach((each) => (each.onended = null));
    closeCapture(stream);
    this.session?.use(null);
    this.state.patch({ capture, stream: null });
  }

  private prepare(): MediaSession {
    if (this.session !== null) return this.session;
    const session: MediaSession = new MediaSession({
      negotiate: (offer) => this.ask(offer),
      onChange: (state) => {
        if (this.session === session && this.joined) this.state.patch({ session: state });
      },
      onConnection: track,
      onCpuLimited: this.onCpuLimited,
    });
    this.session = session;
    if (wasMuted()) session.setMicrophone(false);
    session.prepare();
    return session;
  }

  private ask(offer: string): ReturnType<Negotiate> {
    if (this.negotiate === null) return Promise.reject(new Problem("internal", 0, "not joined"));
    return this.negotiate(offer);
  }

  private startSession(): void {
    if (this.joined) return;
    const session = this.prepare();
    this.joined = true;
    session.start();
  }

  /** A device went away: use whatever is there now. */
  private unplugged(): void {
    void this.use(this.wanted);
  }
}

function rememberMuted(muted: boolean): void {
  try {
    if (muted) sessionStorage.setItem(MUTED_KEY, "1");
    else sessionStorage.removeItem(MUTED_KEY);
  } catch {
    // Without storage a reload begins unmuted, as a first visit does.
  }
}

function wasMuted(): boolean {
  try {
    return sessionStorage.getItem(MUTED_KEY) === "1";
  } catch {
    return false;
  }
}
