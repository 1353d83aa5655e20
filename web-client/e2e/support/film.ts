import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { run } from "./branch";
import { FILMS, ROOT, SHARED } from "./paths";

/** Exit code of the script where the face films are not on this machine. */
const NO_FACES = 3;

/** A film of a real face for a browser's camera, which plays it in a loop. */
export async function faceFilm(): Promise<string | null> {
  return make("make-camera-film.sh", join(FILMS, "face.y4m"));
}

/** The pictures from which an actor plays the person of that film. */
export async function actorPictures(): Promise<string | null> {
  return make("make-actor-frames.sh", join(FILMS, "actor"));
}

/** A picture of the actor, as on a document, and one of somebody else. */
export function portraits(pictures: string): { own: Buffer; other: Buffer } {
  return {
    own: readFileSync(join(pictures, "291.jpg")),
    other: readFileSync(join(SHARED, "data/faces/obama.jpg")),
  };
}

/** What a script makes of the face films, where they are at hand; made once and kept. */
async function make(name: string, out: string): Promise<string | null> {
  if (existsSync(out)) return out;
  mkdirSync(FILMS, { recursive: true });
  const script = join(ROOT, "scripts", name);
  const { code, stdout, stderr } = await run(script, [out], process.env, 120_000);
  if (code === NO_FACES) return null;
  if (code !== 0) throw new Error(`${script} failed: ${stdout}${stderr}`);
  return out;
}
