import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** How many media ports are kept free from the base on: one per shard, and shards are per core. */
const SHARDS = 16;

export type Ports = { http: number; media: number };

export async function freePorts(): Promise<Ports> {
  return { http: await freeTcpPort(), media: await freeMediaBase() };
}

async function freeTcpPort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        typeof address === "object" && address !== null
          ? done(address.port)
          : fail(new Error("no port")),
      );
    });
  });
}

/** A base from which on a run of UDP and TCP ports is free. */
async function freeMediaBase(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = 20_000 + Math.floor(Math.random() * 10_000);
    const ports = Array.from({ length: SHARDS }, (_, shard) => base + shard);
    const free = await Promise.all(ports.flatMap((port) => [udpIsFree(port), tcpIsFree(port)]));
    if (free.every(Boolean)) return base;
  }
  throw new Error("no free run of media ports");
}

async function udpIsFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = createSocket("udp4");
    socket.once("error", () => done(false));
    socket.bind(port, "0.0.0.0", () => socket.close(() => done(true)));
  });
}

async function tcpIsFree(port: number): Promise<boolean> {
  return new Promise((done) => {
    const server = createServer();
    server.once("error", () => done(false));
    server.listen(port, "0.0.0.0", () => server.close(() => done(true)));
  });
}
