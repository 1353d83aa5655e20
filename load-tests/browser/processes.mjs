/** The programs beside the browsers: the media plane and the bad network. */
import { spawn } from "node:child_process";
import { createServer, connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PATIENCE_MS = 10_000;

/** A bench server of its own for every run; `load-tests/src/bin/sfu-bench-server.rs`. */
export class MediaPlane {
  static async start(bin) {
    const port = await freePort();
    const args = ["--listen", `127.0.0.1:${port}`];
    const child = spawn(join(bin, "sfu-bench-server"), args, {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const plane = new MediaPlane(port, child);
    await plane.#ready();
    return plane;
  }

  constructor(port, child) {
    this.port = port;
    this.child = child;
  }

  /** One exchange of offer and answer: a length (32 bits, big endian) and its bytes each way. */
  async join(room, sdp) {
    const socket = connect(this.port, "127.0.0.1");
    const body = Buffer.from(JSON.stringify({ room, publ: true, sdp }));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    socket.write(Buffer.concat([length, body]));
    const answer = [];
    for await (const chunk of socket) answer.push(chunk);
    const text = Buffer.concat(answer).subarray(4).toString();
    if (text === "") throw new Error("the media plane refused the offer");
    return text;
  }

  stop() {
    this.child.kill("SIGKILL");
  }

  async #ready() {
    const deadline = Date.now() + PATIENCE_MS;
    while (Date.now() < deadline) {
      const open = await new Promise((done) => {
        const socket = connect(this.port, "127.0.0.1", () => {
          socket.destroy();
          done(true);
        });
        socket.once("error", () => done(false));
      });
      if (open) return;
      await new Promise((done) => setTimeout(done, 50));
    }
    throw new Error("the media plane does not listen");
  }
}

/** `vbranch-load relay`: asked and answered in lines of JSON. */
export class BadNetwork {
  constructor(bin) {
    this.child = spawn(join(bin, "vbranch-load"), ["relay"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.replies = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async ask(command) {
    this.child.stdin.write(`${JSON.stringify(command)}\n`);
    const { value, done } = await this.replies.next();
    if (done) throw new Error("the relay has ended");
    const reply = JSON.parse(value);
    if (reply.error !== undefined) throw new Error(`relay: ${reply.error}`);
    return reply;
  }

  /** Opens a relay to the server that an answer names; gives the answer that leads to the relay. */
  async lead(answer, seed) {
    const { opened } = await this.ask({ open: { answer, seed } });
    return opened;
  }

  stop() {
    this.child.kill("SIGKILL");
  }
}

async function freePort() {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}
