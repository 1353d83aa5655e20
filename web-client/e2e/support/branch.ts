import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { BINARY, ROOT, modelsFolder } from "./paths";
import { type Ports, freePorts } from "./ports";

export type Output = { code: number | null; stdout: string; stderr: string };

type Options = {
  /** A data folder of an earlier run; a new one otherwise. */
  dataDir?: string;
  env?: Record<string, string>;
  args?: string[];
};

/** One running `vbranch serve --demo`: the real binary, on ports and data of its own. */
export class Branch {
  private constructor(
    readonly url: string,
    readonly dataDir: string,
    private readonly ports: Ports,
    private readonly options: Options,
    private readonly child: ChildProcess,
    private readonly output: string[],
  ) {}

  static async start(options: Options = {}): Promise<Branch> {
    const dataDir = options.dataDir ?? newDataDir();
    return Branch.launch(dataDir, await freePorts(), options);
  }

  /** The same server once more, after it ended: same addresses, same data, same settings. */
  async again(): Promise<Branch> {
    return Branch.launch(this.dataDir, this.ports, this.options);
  }

  private static async launch(dataDir: string, ports: Ports, options: Options): Promise<Branch> {
    const child = spawn(BINARY, ["serve", "--demo", ...(options.args ?? [])], {
      cwd: ROOT,
      env: branchEnv(dataDir, ports, options.env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    // A test runner that is interrupted must not leave servers behind.
    const end = (): boolean => child.kill("SIGKILL");
    process.once("exit", end);
    child.once("exit", () => process.off("exit", end));
    const output: string[] = [];
    const file = createWriteStream(`${dataDir}.log`, { flags: "a" });
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8");
      stream.on("data", (text: string) => {
        output.push(text);
        file.write(text);
      });
    }
    const url = `http://localhost:${ports.http}`;
    const branch = new Branch(url, dataDir, ports, options, child, output);
    await branch.ready();
    return branch;
  }

  /** All it has printed: logs and the demo sign-ins. */
  get log(): string {
    return this.output.join("");
  }

  /** A folder beside its data, for what a test takes out of it. */
  scratch(): string {
    const folder = `${this.dataDir}.scratch`;
    mkdirSync(folder, { recursive: true });
    return folder;
  }

  /** Ends it as an operator does, and gives the exit code. */
  async stop(): Promise<number | null> {
    return this.end("SIGTERM", 30_000);
  }

  /** Ends it as a power switch does. */
  async kill(): Promise<void> {
    await this.end("SIGKILL", 5_000);
  }

  /** Ends it and removes what it kept. */
  async discard(): Promise<void> {
    await this.stop();
    rmSync(this.dataDir, { recursive: true, force: true });
    rmSync(`${this.dataDir}.log`, { force: true });
    rmSync(this.scratch(), { recursive: true, force: true });
  }

  private async ready(): Promise<void> {
    // Loading the models and making keys takes seconds on a machine that compiles meanwhile.
    const deadline = Date.now() + 60_000;
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null) break;
      const answer = await fetch(`${this.url}/readyz`).catch(() => null);
      if (answer?.ok) return;
      await new Promise((done) => setTimeout(done, 100));
    }
    await this.kill();
    throw new Error(`the server did not become ready; it printed:\n${this.log}`);
  }

  private async end(signal: NodeJS.Signals, withinMs: number): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    return new Promise((done, fail) => {
      const timer = setTimeout(() => {
        this.child.kill("SIGKILL");
        fail(new Error(`the server did not end within ${withinMs} ms of ${signal}`));
      }, withinMs);
      this.child.once("exit", (code) => {
        clearTimeout(timer);
        done(code);
      });
      this.child.kill(signal);
    });
  }
}

export function newDataDir(): string {
  return mkdtempSync(join(tmpdir(), "vbranch-e2e-"));
}

export function branchEnv(
  dataDir: string,
  ports: Ports,
  more: Record<string, string> = {},
): NodeJS.ProcessEnv {
  return {
    ...process.env,
    VBRANCH_HTTP_LISTEN: `127.0.0.1:${ports.http}`,
    VBRANCH_MEDIA_LISTEN: `0.0.0.0:${ports.media}`,
    VBRANCH_DATA_DIR: dataDir,
    VBRANCH_KYC_MODELS_DIR: modelsFolder(),
    // Chromium's test pictures have no face: watched, everybody would be absent, and two more
    // decoders would share the cores. Tests of the watch switch it on.
    VBRANCH_KYC_WATCH_CUSTOMER: "false",
    VBRANCH_KYC_WATCH_STAFF: "false",
    ...more,
  };
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: string[],
  env: NodeJS.ProcessEnv = process.env,
  timeoutMs = 60_000,
): Promise<Output> {
  return new Promise((done, fail) => {
    const child = spawn(program, args, { cwd: ROOT, env, stdio: ["ignore", "pipe", "pipe"] });
    let stdout = "";
    let stderr = "";
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    child.once("error", fail);
    child.once("close", (code) => {
      clearTimeout(timer);
      done({ code, stdout, stderr });
    });
  });
}

/** The offline commands of the binary. */
export async function vbranch(dataDir: string, ...args: string[]): Promise<Output> {
  return run(BINARY, args, { ...process.env, VBRANCH_DATA_DIR: dataDir });
}
