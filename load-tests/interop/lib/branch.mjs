// The real server with a demo branch: visits that have come as far as the call, and tokens for it.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

const START_MS = 60_000;
const WAITING_MS = 15_000;

export async function startBranch(engine) {
  const data = mkdtempSync(join(tmpdir(), "vbranch-interop-"));
  const child = spawn(join(engine, "vbranch"), ["serve", "--demo"], {
    env: {
      ...process.env,
      VBRANCH_DATA_DIR: data,
      // Port 0: free ones, which the server then tells.
      VBRANCH_HTTP_LISTEN: "127.0.0.1:0",
      VBRANCH_MEDIA_LISTEN: "127.0.0.1:0",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.once("exit", () => child.kill("SIGKILL"));
  const ended = new Promise((resolve) => child.once("exit", resolve).once("error", resolve));
  const url = await new Promise((resolve, reject) => {
    let said = "";
    const hear = (data) => {
      said += data;
      const found = /Metrics +(http:\/\/\S+)\/metrics/.exec(said);
      if (found) resolve(found[1]);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    ended.then(() => reject(new Error(`the server ended: ${said.slice(-2000)}`)));
    setTimeout(() => reject(new Error(`the server did not start: ${said.slice(-2000)}`)), START_MS).unref();
  });
  const door = await openDoor();
  return {
    visit: (join) => visit(url, door, join),
    stop: async () => {
      door.close();
      child.kill("SIGTERM");
      await ended;
      rmSync(data, { recursive: true, force: true });
    },
  };
}

// A customer, whom `join(URL)` is to bring into the call, and the staff member who has accepted them.
async function visit(url, door, join) {
  const api = client(url);
  const { token } = await api.post("/api/v1/demo/visits", { product: "demo-loan" });
  const customer = client(url, { Authorization: `Bearer ${token}` });
  const seen = () => customer.get("/api/v1/customer/visit");
  const { consents, visit: id } = await seen();
  await customer.post("/api/v1/customer/visit/consents", {
    recording: true,
    face: false,
    text_version: consents.texts[0].version,
  });
  join(
    door.lead(async (sdp) => (await customer.post("/api/v1/customer/visit/media", { sdp })).sdp),
  );
  await until(async () => (await seen()).state === "waiting");
  const staff = await signIn(url, "staff");
  await staff.post(`/api/v1/visits/${id}/accept`, {});
  return {
    // A token for a guest, and the URL where it is shown.
    token: async (right) => {
      const made = await staff.post(`/api/v1/visits/${id}/media-tokens`, { right });
      return { token: made.token, url: url + made.url };
    },
    close: () => staff.post(`/api/v1/visits/${id}/close`, { outcome: "abandoned" }),
  };
}

async function signIn(url, username) {
  const body = JSON.stringify({ username, password: `${username}-demo` });
  const answer = await fetch(`${url}/api/v1/session`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body,
  });
  if (!answer.ok) throw new Error(`sign-in: ${answer.status}`);
  return client(url, { Cookie: answer.headers.get("set-cookie").split(";")[0] });
}

function client(url, headers = {}) {
  const ask = async (method, path, body) => {
    const answer = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text && JSON.parse(text);
  };
  return { get: (path) => ask("GET", path), post: (path, body) => ask("POST", path, body) };
}

async function until(holds) {
  const deadline = Date.now() + WAITING_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error("the customer did not come into the queue");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

// The clients post SDP as it is; our own pages' API takes it in JSON. In between: one URL for each
// `answer(offer)`.
async function openDoor() {
  const answers = [];
  const server = createServer(async (request, response) => {
    let offer = "";
    for await (const piece of request.setEncoding("utf8")) offer += piece;
    try {
      const answer = await answers[Number(request.url.slice(1))](offer);
      response.writeHead(201, { "Content-Type": "application/sdp" }).end(answer);
    } catch (error) {
      response.writeHead(422).end(String(error));
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    lead: (answer) => `http://127.0.0.1:${port}/${answers.push(answer) - 1}`,
    close: () => server.close(),
  };
}
