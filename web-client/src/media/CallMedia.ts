/** A page's camera, microphone and media session: one owner from "allow camera" to hanging up. */
import {
  MediaSession,
  Problem,
  asProblem,
  closeCapture,
  openCapture,
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
  session: MediaSessionState | null;
};

const OFF: CallMediaState = { capture: "off", stream: null, problem: null, session: null };
/** A person who muted and reloads must not be heard all of a sudden. */
const MUTED_KEY = "vbranch.muted";

export class CallMedia {
  readonly state = createStore<CallMediaState>(OFF);
  private session: MediaSession | null = null;
  private negotiate: Negotiate | null = null;
  private opening = 0;

  /** Opens camera and microphone, if they are not open already. */
  async open(): Promise<boolean> {
    const { capture } = this.state.get();
    if (capture === "open") return true;
    if (capture === "opening") return false;
    const turn = ++this.opening;
    this.state.patch({ capture: "opening", problem: null });
    try {
      const stream = await openCapture();
      if (turn !== this.opening) {
        closeCapture(stream);
        return false;
      }
      this.opened(stream);
      return true;
    } catch (thrown) {
      if (turn === this.opening)
        this.state.patch({ capture: "failed", problem: asProblem(thrown) });
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

  /** Hangs up and lets go of the devices. */
  leave(): void {
    this.opening += 1;
    this.negotiate = null;
    this.session?.stop();
    this.session = null;
    const { stream } = this.state.get();
    stream?.getTracks().forEach((each) => (each.onended = null));
    closeCapture(stream);
    this.state.set(OFF);
  }

  setMicrophone(on: boolean): void {
    this.session?.setMicrophone(on);
    rememberMuted(!on);
  }

  setCamera(on: boolean): void {
    this.session?.setCamera(on);
  }

  /** What the server's snapshot says of our media. */
  heard(media: MediaState): void {
    this.session?.serverSees(media);
  }

  retry(): void {
    if (this.state.get().capture === "open") this.session?.retry();
    else void this.open();
  }

  private opened(stream: MediaStream): void {
    for (const each of stream.getTracks()) each.onended = () => this.unplugged();
    this.state.patch({ capture: "open", stream });
    if (this.negotiate !== null) this.startSession();
  }

  private startSession(): void {
    const { stream } = this.state.get();
    if (this.session !== null || stream === null || this.negotiate === null) return;
    const session: MediaSession = new MediaSession({
      stream,
      negotiate: this.negotiate,
      onChange: (state) => {
        if (this.session === session) this.state.patch({ session: state });
      },
      onConnection: track,
    });
    this.session = session;
    if (wasMuted()) session.setMicrophone(false);
    session.start();
  }

  /** A device went away: open whatever is there now, and join again with it. */
  private unplugged(): void {
    const { negotiate } = this;
    this.leave();
    this.negotiate = negotiate;
    void this.open();
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
