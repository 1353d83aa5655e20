import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { SnapshotClient, snapshotUrl, type SnapshotStatus, type SocketLike } from "./snapshots.js";

/** A socket that a test opens, feeds and breaks. */
class FakeSocket {
  readyState = 0;
  sent: unknown[] = [];
  onopen: SocketLike["onopen"] = null;
  onmessage: SocketLike["onmessage"] = null;
  onclose: SocketLike["onclose"] = null;
  onerror: SocketLike["onerror"] = null;
  send = (data: string) => void this.sent.push(JSON.parse(data));
  close = () => void (this.readyState = 3);

  open() {
    this.readyState = 1;
    this.onopen?.call(null as never, new Event("open"));
  }
  push(message: unknown) {
    const data = typeof message === "string" ? message : JSON.stringify(message);
    this.onmessage?.call(null as never, { data } as MessageEvent);
  }
  break() {
    this.readyState = 3;
    this.onclose?.call(null as never, {} as CloseEvent);
  }
}

function setUp(token?: string) {
  const sockets: FakeSocket[] = [];
  const messages: unknown[] = [];
  const statuses: SnapshotStatus[] = [];
  const client = new SnapshotClient({
    url: "ws://branch/api/v1/ws",
    ...(token === undefined ? {} : { token }),
    socket: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket as unknown as SocketLike;
    },
    backoff: { next: () => 100, reset: () => undefined },
    onMessage: (message) => messages.push(message),
    onStatus: (status) => statuses.push(status),
  });
  client.start();
  const at = (index: number) => {
    const socket = sockets[index];
    if (socket === undefined) throw new Error(`no socket ${index}`);
    return socket;
  };
  return { client, sockets, messages, statuses, at };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a client of snapshots", () => {
  it("says who listens, first of all", () => {
    const { at } = setUp("secret");
    at(0).open();
    expect(at(0).sent).toEqual([{ type: "hello", token: "secret" }]);
  });

  it("comes back after a lost connection and watches the same visit again", () => {
    const { client, at, sockets, statuses } = setUp();
    at(0).open();
    client.watch("v1");
    at(0).push({ type: "queue", visits: [] });
    at(0).break();
    expect(statuses.at(-1)).toBe("waiting");
    vi.advanceTimersByTime(100);
    expect(sockets).toHaveLength(2);
    at(1).open();
    expect(at(1).sent).toEqual([{ type: "hello" }, { type: "watch", visit: "v1" }]);
  });

  it("is live only once a snapshot has come", () => {
    const { at, statuses } = setUp();
    at(0).open();
    expect(statuses.at(-1)).toBe("connecting");
    at(0).push({ type: "queue", visits: [] });
    expect(statuses.at(-1)).toBe("live");
  });

  it("notices a dead network by the missing pong", () => {
    const { at, sockets } = setUp();
    at(0).open();
    vi.advanceTimersByTime(10_000);
    expect(at(0).sent.at(-1)).toEqual({ type: "ping" });
    vi.advanceTimersByTime(6_100);
    expect(sockets).toHaveLength(2);
  });

  it("keeps a connection whose pongs come", () => {
    const { at, sockets } = setUp();
    at(0).open();
    for (let turn = 0; turn < 5; turn += 1) {
      vi.advanceTimersByTime(10_000);
      at(0).push({ type: "pong" });
    }
    expect(sockets).toHaveLength(1);
  });

  it("does not try again where the link itself is refused", () => {
    const { at, sockets, messages, statuses } = setUp("old");
    at(0).open();
    at(0).push({ type: "error", code: "link_expired", detail: "" });
    at(0).break();
    vi.advanceTimersByTime(60_000);
    expect(sockets).toHaveLength(1);
    expect(messages).toHaveLength(1);
    expect(statuses.at(-1)).toBe("stopped");
  });

  it("survives messages that are not the protocol's", () => {
    const { at, messages } = setUp();
    at(0).open();
    at(0).push("{not json");
    at(0).push("7");
    at(0).push("null");
    expect(messages).toEqual([]);
  });

  it("says nothing after it was stopped", () => {
    const { client, at, messages, sockets } = setUp();
    at(0).open();
    client.stop();
    at(0).push({ type: "queue", visits: [] });
    at(0).break();
    vi.advanceTimersByTime(60_000);
    expect(messages).toEqual([]);
    expect(sockets).toHaveLength(1);
  });

  it("does not sit out a delay when the network is back", () => {
    const { client, at, sockets } = setUp();
    at(0).open();
    at(0).break();
    client.retryNow();
    expect(sockets).toHaveLength(2);
    vi.advanceTimersByTime(1_000);
    expect(sockets).toHaveLength(2);
  });
});

it("the socket's address follows the page's", () => {
  expect(snapshotUrl("https://branch.example")).toBe("wss://branch.example/api/v1/ws");
  expect(snapshotUrl("http://localhost:8080")).toBe("ws://localhost:8080/api/v1/ws");
});
