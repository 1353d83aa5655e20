/**
 * A staff member's desk: the queue, and the one visit being served. As on the customer's page, the
 * newest snapshot decides and media follows it, so a reload leads back into the call.
 */
import {
  SnapshotClient,
  StaffApi,
  asProblem,
  snapshotUrl,
  type Problem,
  type QueueEntry,
  type ServerMessage,
  type SnapshotStatus,
  type StaffView,
} from "@vbranch/sdk";

import { CallMedia } from "../media/CallMedia";
import { createStore } from "../store";

export type DeskState = {
  queue: QueueEntry[] | null;
  visit: StaffView | null;
  /** A visit of mine is being opened: the queue would only flash by. */
  entering: boolean;
  link: SnapshotStatus;
  problem: Problem | null;
};

export class StaffDesk {
  readonly state = createStore<DeskState>({
    queue: null,
    visit: null,
    entering: false,
    link: "connecting",
    problem: null,
  });
  readonly media = new CallMedia((limited) => this.snapshots.tellCpuLimited(limited));
  readonly api = new StaffApi();
  private readonly snapshots: SnapshotClient;
  private current: string | null = null;
  /** The visit that was left last: a queue push from before may still call it ours. */
  private left: string | null = null;
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
      this.queued(await this.api.visits());
      this.state.patch({ problem: null });
    } catch (thrown) {
      this.trouble(asProblem(thrown));
    }
  }

  /** Takes a customer, but only with a working camera: they should not wait for ours. */
  async accept(visit: string): Promise<void> {
    if (!(await this.media.open())) return;
    try {
      const view = await this.api.accept(visit);
      this.enter(visit);
      this.apply(view);
    } catch (thrown) {
      if (this.current === null) this.media.leave();
      throw thrown;
    }
  }

  /** Goes (back) into a visit of mine. */
  enter(visit: string): void {
    if (this.current === visit) return;
    this.current = visit;
    this.state.patch({ entering: true });
    this.snapshots.watch(visit);
    void this.command(() => this.api.visit(visit)).catch((thrown: unknown) => {
      this.state.patch({ entering: false });
      this.trouble(asProblem(thrown));
    });
  }

  /** Runs a request of the current visit. A push that came meanwhile is newer than its answer. */
  async command(request: () => Promise<StaffView>): Promise<void> {
    const before = this.pushes;
    const view = await request();
    if (this.pushes === before) this.apply(view);
  }

  /** Back to the queue after a visit was closed. */
  leave(): void {
    this.left = this.current;
    this.current = null;
    this.snapshots.watch(null);
    this.media.leave();
    this.state.patch({ visit: null, entering: false });
    void this.load();
  }

  private received(message: ServerMessage): void {
    if (message.type === "queue") {
      this.queued(message.visits);
    } else if (message.type === "staff_visit") {
      this.pushes += 1;
      this.apply(message.visit);
    } else if (message.type === "error" && message.code === "not_signed_in") {
      this.onSignedOut();
    }
  }

  private queued(queue: QueueEntry[]): void {
    this.state.patch({ queue });
    const mine = queue.find((entry) => entry.mine && entry.state === "in_call");
    if (mine !== undefined && this.current === null && mine.visit !== this.left) {
      this.enter(mine.visit);
    }
  }

  private apply(view: StaffView): void {
    if (view.visit !== this.current) return;
    this.state.patch({ visit: view, entering: false });
    if (view.state === "closed") this.media.leave();
    if (view.state !== "in_call") return;
    this.media.join(this.api.negotiate(view.visit));
    this.media.heard(view.media, view.call);
  }

  private trouble(problem: Problem): void {
    if (problem.code === "not_signed_in") this.onSignedOut();
    else this.state.patch({ problem });
  }

  private readonly online = () => this.snapshots.retryNow();
}
