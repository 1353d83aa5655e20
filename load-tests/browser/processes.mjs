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

  /** Opens a relay to the server that an answer names, and leads the answer to it. */
  async lead(answer, seed) {
    const candidate = /^a=candidate:\S+ \S+ udp \S+ (?<ip>\S+) (?<port>\d+)/im.exec(answer);
    if (candidate === null) throw new Error("the answer has no UDP candidate");
    const { ip, port } = candidate.groups;
    const { opened } = await this.ask({ open: { server: `${ip}:${port}`, seed } });
    return { relay: opened.relay, answer: through(answer, opened.address) };
  }

  stop() {
    this.child.kill("SIGKILL");
  }
}

/** The answer with one candidate in each section: the relay's. */
export function through(answer, address) {
  const [ip, port] = address.split(":");
  let led = false;
  const lines = answer.split(/\r?\n/).flatMap((line) => {
    if (line.startsWith("m=")) led = false;
    if (!line.startsWith("a=candidate:")) return [line];
    const words = line.split(" ");
    if (led || words[2].toLowerCase() !== "udp") return [];
    led = true;
    words[4] = ip;
    words[5] = port;
    return [words.join(" ")];
  });
  return lines.join("\r\n");
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
