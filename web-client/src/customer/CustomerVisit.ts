/**
 * One customer's visit as this page sees it. The server's newest snapshot decides what is shown;
 * media follows the snapshot, so a reload at any point ends up where it was.
 */
import {
  CustomerApi,
  SnapshotClient,
  asProblem,
  Problem,
  snapshotUrl,
  type CustomerView,
  type ServerMessage,
  type SnapshotStatus,
} from "@vbranch/sdk";

import { CallMedia } from "../media/CallMedia";
import { createStore } from "../store";
import { FlashScreen } from "./flash";
import { advance, type CheckProgress } from "./progress";

export type CustomerState = {
  view: CustomerView | null;
  /** Why there is no visit to show (an unknown or expired link, or no server). */
  problem: Problem | null;
  link: SnapshotStatus;
  /** How far the running liveness check has come. */
  progress: CheckProgress | null;
};

const MEDIA_STATES = new Set<CustomerView["state"]>(["checking", "waiting", "in_call"]);

export class CustomerVisit {
  readonly state = createStore<CustomerState>({
    view: null,
    problem: null,
    link: "connecting",
    progress: null,
  });
  readonly flash = new FlashScreen();
  readonly media = new CallMedia((limited) => this.snapshots.tellCpuLimited(limited));
  readonly api: CustomerApi;
  private readonly snapshots: SnapshotClient;
  private pushes = 0;

  constructor(token: string) {
    this.api = new CustomerApi(token);
    this.snapshots = new SnapshotClient({
      url: snapshotUrl(location.origin),
      token,
      onMessage: (message) => this.received(message),
      onStatus: (link) => this.linked(link),
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
    this.flash.clear();
    this.media.leave();
  }

  async load(): Promise<void> {
    try {
      await this.command(() => this.api.visit());
    } catch (thrown) {
      const problem = asProblem(thrown);
      if (!problem.transient) this.snapshots.stop();
      this.state.patch({ problem });
    }
  }

  /** Runs a request. Its answer counts unless a push that came meanwhile is newer. */
  async command(request: () => Promise<CustomerView>): Promise<void> {
    const before = this.pushes;
    const view = await request();
    if (this.pushes === before) this.apply(view);
  }

  /** True where the visit's state needs camera and microphone. */
  usesMedia(view: CustomerView): boolean {
    return MEDIA_STATES.has(view.state);
  }

  /** The customer has seen that camera and microphone work. */
  join(): void {
    this.media.join(this.api.negotiate);
  }

  private linked(link: SnapshotStatus): void {
    this.state.patch({ link });
    if (link !== "live") this.flash.clear();
  }

  private received(message: ServerMessage): void {
    if (message.type === "customer_visit") {
      this.pushes += 1;
      this.apply(message.visit);
    } else if (message.type === "error" && this.state.get().view === null) {
      this.state.patch({ problem: new Problem(message.code, 0, message.detail) });
    }
  }

  private apply(view: CustomerView): void {
    this.flash.heard(view);
    const progress = advance(this.state.get().progress, view.liveness);
    this.state.patch({ view, problem: null, progress });
    if (view.state === "closed") this.media.leave();
    if (!this.usesMedia(view)) return;
    this.join();
    this.media.heard(view.media, view.call);
  }

  private readonly online = () => this.snapshots.retryNow();
}
