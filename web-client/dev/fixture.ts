/**
 * Plays the protocol's snapshots to the pages, for looking at them without a server. A Vite plugin
 * of `npm run dev:fixture` only: a build never loads it.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import type { Plugin } from "vite";
import { WebSocketServer, type WebSocket } from "ws";

import type { ClientMessage, ServerMessage, SupervisionMode } from "../packages/sdk/src/protocol";
import { checks, picture } from "./checks";
import { customers, runOfCheck } from "./customers";
import { films } from "./films";
import * as views from "./views";

/** A body that is a string is a picture, drawn as SVG. */
type Answer = { status: number; body: unknown };
type Asked = { method: string; path: string; token: string; body: Record<string, unknown> };

let signedIn: string | null = null;
let mode: SupervisionMode = "silent";
let opened = { done: 1, open: true };

export function fixture(): Plugin {
  return {
    name: "vbranch-fixture",
    configureServer(server) {
      const sockets = new WebSocketServer({ noServer: true });
      const upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
        if (request.url !== "/api/v1/ws") return;
        sockets.handleUpgrade(request, socket, head, serve);
      };
      server.httpServer?.on("upgrade", upgrade);
      server.middlewares.use("/api/v1", (request, response) => void respond(request, response));
    },
  };
}

function serve(socket: WebSocket): void {
  const send = (message: ServerMessage) => socket.send(JSON.stringify(message));
  socket.on("message", (data) => {
    const message = JSON.parse((data as Buffer).toString()) as ClientMessage;
    if (message.type === "ping") send({ type: "pong" });
    else if (message.type === "cpu_limited") return;
    else if (message.type === "watch") send(watched(message.visit));
    else if (message.token === undefined) send({ type: "queue", visits: queue() });
    else {
      const visit = customers[message.token];
      if (message.token === "check-run") play(send);
      else if (visit) send({ type: "customer_visit", visit });
      else send({ type: "error", code: "link_unknown", detail: "" });
    }
  });
}

/** A whole check, in its own time. */
function play(send: (message: ServerMessage) => void): void {
  for (const { at, view } of runOfCheck()) {
    setTimeout(() => send({ type: "customer_visit", visit: view }), at);
  }
}

function watched(visit: string): ServerMessage {
  return signedIn === "supervisor"
    ? { type: "supervised_visit", visit: views.supervised(visit, mode) }
    : { type: "staff_visit", visit: current(visit) };
}

function queue() {
  const now = Date.now();
  return signedIn === "supervisor" ? views.calls(now) : views.queue(now);
}

async function respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  const { status, body } = answer({
    method: request.method ?? "GET",
    path: request.url ?? "/",
    token: (request.headers.authorization ?? "").replace("Bearer ", ""),
    body: text === "" ? {} : (JSON.parse(text) as Record<string, unknown>),
  });
  response.statusCode = status;
  const drawn = typeof body === "string";
  const json = status < 400 ? "application/json" : "application/problem+json";
  response.setHeader("Content-Type", drawn ? "image/svg+xml" : json);
  response.end(drawn ? body : JSON.stringify(body));
}

function answer(asked: Asked): Answer {
  const { method, path } = asked;
  if (path === "/info") return ok(views.info);
  if (path === "/session") return session(method, asked.body);
  if (path === "/demo/visits") return ok({ token: "invited", url: "/v/invited" });
  if (path.startsWith("/customer/")) return customer(asked);
  if (path.startsWith("/visits")) return staff(asked);
  if (path === "/recordings") return ok({ recordings: views.recordings(Date.now()) });
  if (path === "/films") return ok({ films: films(Date.now(), signedIn ?? "") });
  if (/^\/(films|recordings\/[^/]+\/films)/.test(path)) return ok(films(Date.now(), "")[0]);
  if (path === "/audit-log") return ok({ entries: views.auditLog(Date.now()) });
  const [, recording] = /^\/recordings\/([^/]+)\/replays$/.exec(path) ?? [];
  const row = views.recordings(Date.now()).find((each) => each.recording === recording);
  return row === undefined ? problem(404, "not_found") : ok(views.replay(row));
}

function session(method: string, body: Record<string, unknown>): Answer {
  if (method === "DELETE") {
    signedIn = null;
    return ok({});
  }
  if (method === "POST") {
    const name = String(body.username);
    if (!(name in views.users)) return problem(401, "bad_credentials");
    signedIn = name;
  }
  const user = signedIn === null ? undefined : views.users[signedIn];
  return user === undefined ? problem(401, "not_signed_in") : ok(user);
}

function customer({ path, token, body }: Asked): Answer {
  const view = customers[token];
  if (token === "check-limit" && path.endsWith("/liveness")) return problem(409, "daily_limit");
  if (token === "expired") return problem(410, "link_expired");
  if (view === undefined) return problem(404, "link_unknown");
  if (path.endsWith("/media")) return problem(503, "unavailable");
  if (path.endsWith("/consents")) {
    return ok(body.recording === true ? customers.preparing : customers["closed-declined"]);
  }
  if (path.endsWith("/leave")) return ok(customers["closed-declined"]);
  return ok(view);
}

function staff({ method, path, body }: Asked): Answer {
  if (path === "/visits" && method === "GET") return ok({ visits: queue() });
  if (path === "/visits") {
    const url = "/v/dGhpc19pc19hX2ZpeHR1cmVfdG9rZW5fb2ZfMzJfYnl0ZXM";
    return ok({ visit: "x", token: "x", url, expires: Date.now() + 86_400_000 });
  }
  const visit = path.split("/")[2] ?? "";
  if (path.endsWith("/media")) return problem(503, "unavailable");
  if (path.endsWith("/kyc")) return kyc(visit);
  if (path.endsWith("/kyc/picture")) return ok(picture);
  // The third customer of the queue is further along: a document is to be shown.
  if (path.endsWith("/supervision")) return supervision(method, visit, body);
  if (path.endsWith("/accept")) opened = { done: visit.endsWith("3") ? 3 : 1, open: true };
  if (path.endsWith("/open")) opened = { ...opened, open: true };
  if (path.endsWith("/complete")) opened = { done: opened.done + 1, open: false };
  if (path.endsWith("/close")) {
    return ok({ ...current(visit), state: "closed", outcome: body.outcome });
  }
  return ok(current(visit));
}

/** The last figure of the visit's id says what became of its check. */
function kyc(visit: string): Answer {
  if (visit.endsWith("5")) return problem(404, "kyc_unknown");
  return ok(checks[views.checkOf(visit)]);
}

function supervision(method: string, visit: string, body: Record<string, unknown>): Answer {
  if (method === "POST") mode = body.mode as SupervisionMode;
  return method === "DELETE" ? ok({}) : ok(views.supervised(visit, mode));
}

function current(visit: string) {
  return views.staffView(visit, opened.done, opened.open);
}

function ok(body: unknown): Answer {
  return { status: 200, body };
}

function problem(status: number, code: string): Answer {
  return { status, body: { type: `about:blank#${code}`, title: code, status, code, detail: "" } };
}
