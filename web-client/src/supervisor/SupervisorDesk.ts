/**
 * A supervisor's desk: the running calls, and the one that is attended. The newest snapshot
 * decides; a silent supervisor's devices stay closed, and open with the way of attending.
 */
import {
  SnapshotClient,
  SupervisorApi,
  asProblem,
  snapshotUrl,
  type Problem,
  type QueueEntry,
  type ServerMessage,
  type SnapshotStatus,
  type SupervisionMode,
  type SupervisorView,
} from "@vbranch/sdk";

import { CallMedia, type Devices } from "../media/CallMedia";
import { createStore } from "../store";

export type SupervisorState = {
  calls: QueueEntry[] | null;
  attended: SupervisorView | null;
  link: SnapshotStatus;
  problem: Problem | null;
};

/** Only who is to be heard needs a microphone, only who is to be seen a camera. */
const DEVICES: Record<SupervisionMode, Devices> = {
  silent: "none",
  whispering: "microphone",
  barged_in: "both",
};
/** Survives a reload, not the window: going back into the call is what a reload means. */
const ATTENDED_KEY = "vbranch.attended";

export class SupervisorDesk {
  readonly state = createStore<SupervisorState>({
    calls: null,
    attended: null,
    link: "connecting",
    problem: null,
  });
  readonly media = new CallMedia((limited) => this.snapshots.tellCpuLimited(limited));
  readonly api = new SupervisorApi();
  private readonly snapshots: SnapshotClient;
  private current: string | null = null;
  private mode: SupervisionMode | null = null;
  private pushes = 0;

  constructor(private readonly onSignedOut: () => void) {
    this.snapshots = new SnapshotClient({
      url: snapshotUrl(location.origin),
      onMessage: (message) => this.received(message),
      onStatus: (link) => this.state.patch({ link }),
    });
  }

  start(): void {
    this.snapshots.start();
    addEventListener("online", this.online);
    void this.load();
  }

  stop(): void {
    this.snapshots.stop();
    removeEventListener("online", this.online);
    this.media.leave();
  }

  async load(): Promise<void> {
    try {
      this.listed(await this.api.visits());
      this.state.patch({ problem: null });
      await this.goBack();
    } catch (thrown) {
      this.trouble(asProblem(thrown));
    }
  }

  /** Begins to attend a call, or goes on in another way. Devices open first: nobody waits for them. */
  async attend(visit: string, mode: SupervisionMode): Promise<void> {
    const devices = DEVICES[mode];
    if (devices !== "none" && !(await this.media.use(devices))) return;
    const before = this.pushes;
    let view: SupervisorView;
    try {
      view = await this.api.attend(visit, mode);
    } catch (thrown) {
      // As it was before: nobody leaves a microphone open that is not to be heard.
      await this.media.use(DEVICES[this.mode ?? "silent"]);
      throw thrown;
    }
    this.enter(visit);
    if (this.pushes === before) this.apply(view);
  }

  /** Attends no more. */
  async leave(): Promise<void> {
    const { current } = this;
    this.forget();
    if (current !== null) await this.api.leave(current);
  }

  /** Back to the list after the call has ended. */
  async close(): Promise<void> {
    this.forget();
    await this.load();
  }

  private forget(): void {
    this.current = null;
    this.mode = null;
    remember(null);
    this.snapshots.watch(null);
    this.media.leave();
    this.state.patch({ attended: null });
  }

  private enter(visit: string): void {
    if (this.current === visit) return;
    this.current = visit;
    remember(visit);
    this.snapshots.watch(visit);
  }

  /** After a reload: into the call that was attended, if one still attends it. */
  private async goBack(): Promise<void> {
    const visit = remembered();
    if (visit === null || this.current !== null) return;
    const view = await this.api.view(visit).catch(() => null);
    if (view === null) {
      remember(null);
      return;
    }
    this.enter(visit);
    this.apply(view);
  }

  private received(message: ServerMessage): void {
    if (message.type === "queue") {
      this.listed(message.visits);
    } else if (message.type === "supervised_visit") {
      this.pushes += 1;
      this.apply(message.visit);
    } else if (message.type === "error") {
      if (message.code === "not_signed_in") this.onSignedOut();
      if (message.code === "not_supervising") void this.ended();
    }
  }

  /**
   * The server pushes no more: our line was gone for too long, or we left from another window. Or
   * that was said of the call before, and this one is still attended.
   */
  private async ended(): Promise<void> {
    const { current } = this;
    if (current === null) return;
    try {
      await this.api.view(current);
      if (current === this.current) this.snapshots.watch(current);
    } catch (thrown) {
      if (current === this.current && !asProblem(thrown).transient) this.forget();
    }
  }

  private listed(visits: QueueEntry[]): void {
    this.state.patch({ calls: visits.filter((entry) => entry.state === "in_call") });
  }

  private apply(view: SupervisorView): void {
    if (view.visit.visit !== this.current) return;
    this.state.patch({ attended: view });
    if (view.visit.state === "closed") {
      remember(null);
      this.media.leave();
      return;
    }
    this.follow(view.mode);
    this.media.attend(this.api.negotiate(view.visit.visit));
    this.media.heard(view.media, view.call);
  }

  /** Also where the mode was changed from another window, or is known after a reload only. */
  private follow(mode: SupervisionMode): void {
    if (this.mode === mode) return;
    this.mode = mode;
    if (this.media.devices !== DEVICES[mode]) void this.media.use(DEVICES[mode]);
  }

  private trouble(problem: Problem): void {
    if (problem.code === "not_signed_in") this.onSignedOut();
    else this.state.patch({ problem });
  }

  private readonly online = () => this.snapshots.retryNow();
}

function remember(visit: string | null): void {
  try {
    if (visit === null) sessionStorage.removeItem(ATTENDED_KEY);
    else sessionStorage.setItem(ATTENDED_KEY, visit);
  } catch {
    // Without storage a reload leads back to the list.
  }
}

function remembered(): string | null {
  try {
    return sessionStorage.getItem(ATTENDED_KEY);
  } catch {
    return null;
  }
}
