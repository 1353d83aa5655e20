import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";

import { expect } from "@playwright/test";

import { type Branch, type Output, run, vbranch } from "./branch";
import { BINARY } from "./paths";

/** All files under a folder, by path relative to it, in a stable order. */
export function filesUnder(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** A copy of a bundle that may be damaged. */
export function copyOf(bundle: string): string {
  const copy = mkdtempSync(join(tmpdir(), "vbranch-bundle-"));
  cpSync(bundle, copy, { recursive: true });
  return copy;
}

export type Stream = { codec: string; start: number; end: number };

/** What ffprobe finds in a media file: first and last presentation time of each stream. */
export async function probe(file: string): Promise<{ video: Stream; audio: Stream }> {
  return { video: await probeStream(file, "v:0"), audio: await probeStream(file, "a:0") };
}

async function probeStream(file: string, stream: string): Promise<Stream> {
  const { stdout, stderr, code } = await run("ffprobe", [
    ...["-v", "error", "-select_streams", stream, "-of", "json"],
    ...["-show_entries", "stream=codec_name:packet=pts_time,duration_time", file],
  ]);
  if (code !== 0) throw new Error(`ffprobe cannot read ${file}: ${stderr}`);
  const report = JSON.parse(stdout) as {
    streams: { codec_name: string }[];
    packets: { pts_time: string; duration_time?: string }[];
  };
  const begins = report.packets.map((packet) => Number(packet.pts_time));
  const ends = report.packets.map(
    (packet) => Number(packet.pts_time) + Number(packet.duration_time ?? 0),
  );
  return {
    codec: report.streams[0]?.codec_name ?? "none",
    start: Math.min(...begins),
    end: Math.max(...ends),
  };
}

/** Names the files under a folder that hold media or pictures in the clear. */
export function plaintextUnder(folder: string, secrets: Map<string, Buffer>): string[] {
  const found: string[] = [];
  for (const name of filesUnder(folder)) {
    const path = join(folder, name);
    if (statSync(path).size > MAX_SCANNED) throw new Error(`${name} is too large to look at`);
    const bytes = readFileSync(path);
    const text = bytes.toString("latin1");
    for (const [what, pattern] of PLAINTEXT) {
      if (pattern.test(text)) found.push(`${name}: ${what}`);
    }
    for (const [what, secret] of secrets) {
      if (bytes.includes(secret)) found.push(`${name}: ${what}`);
    }
  }
  return found;
}

const MAX_SCANNED = 512 << 20;

/** Long enough not to be met by chance in some hundred megabytes of ciphertext. */
const PLAINTEXT: [string, RegExp][] = [
  ["a movie fragment", /moof\x00\x00\x00.mfhd/s],
  ["a movie header", /moov\x00\x00\x00.mvhd/s],
  ["an H.264 configuration", /avcC\x01\x42[\s\S]{2}\xff\xe1/],
  ["an Opus configuration", /dOps\x00[\x01\x02][\s\S]{2}\x00\x00\xbb\x80/],
  ["a PNG picture", /\x89PNG\r\n\x1a\n/],
  ["a PNG picture in base64", /iVBORw0KGgo/],
];

/** Bytes of the exported media that must be nowhere under the data folder. */
export function secretsOf(bundle: Bundle): Map<string, Buffer> {
  const secrets = new Map<string, Buffer>();
  for (const name of bundle.media()) {
    const bytes = readFileSync(join(bundle.folder, name));
    for (const part of [0.1, 0.3, 0.5, 0.7, 0.9]) {
      const at = Math.floor(bytes.length * part);
      secrets.set(`bytes from ${at} on of ${name}`, bytes.subarray(at, at + 48));
    }
  }
  return secrets;
}

export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** An exported evidence bundle, and what `vbranch verify` says of it or of a damaged copy. */
export class Bundle {
  private constructor(
    readonly folder: string,
    private readonly dataDir: string,
  ) {}

  /** With playable media in clear, unless told otherwise. */
  static async export(
    branch: Branch,
    recording: string,
    options: string[] = ["--media"],
  ): Promise<Bundle> {
    const folder = mkdtempSync(join(branch.scratch(), "bundle-"));
    const { code, stdout, stderr } = await vbranch(
      branch.dataDir,
      ...["export", recording, "--out", folder, ...options, "--reason", "end-to-end test"],
    );
    if (code !== 0) throw new Error(`export failed (${code}): ${stdout}${stderr}`);
    return new Bundle(folder, branch.dataDir);
  }

  /** Offline: no server, no data key, only the bundle and the public key. */
  async verify(folder = this.folder): Promise<Output> {
    return run(BINARY, ["verify", folder, "--key", publicKeyOf(this.dataDir)], {
      PATH: process.env["PATH"],
    });
  }

  /** Damages a copy and expects that this is found and named. */
  async expectFound(damage: (copy: string) => string): Promise<void> {
    const copy = copyOf(this.folder);
    try {
      const named = damage(copy);
      const { code, stdout, stderr } = await this.verify(copy);
      expect(code, `exit code after damaging ${named}: ${stdout}${stderr}`).toBe(1);
      expect(stdout + stderr, "what is wrong is named").toContain(named);
    } finally {
      remove(copy);
    }
  }

  manifest(): { gaps: Gap[]; tracks: { participant: string }[] } {
    return JSON.parse(readFileSync(join(this.folder, "manifest.json"), "utf8"));
  }

  /** The sealed segments, in order. */
  segments(): string[] {
    return filesUnder(this.folder).filter((name) => SEGMENT.test(name));
  }

  /** The playable files, of one participant where a role is given. */
  media(role = ""): string[] {
    return filesUnder(this.folder).filter((name) => name.startsWith(`media/${role}`));
  }
}

type Gap = { participant: string; kind: string; cause: string; duration_us: number };

const SEGMENT = /\.seg$/;

export function publicKeyOf(dataDir: string): string {
  return join(dataDir, "keys/evidence.pub");
}
