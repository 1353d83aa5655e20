import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import { run } from "./branch";
import { FILMS, ROOT } from "./paths";

/** Exit code of the script where the face films are not on this machine. */
const NO_FACES = 3;

/** A film of a real face for a browser's camera, where one is at hand; made once and kept. */
export async function faceFilm(): Promise<string | null> {
  const film = join(FILMS, "face.y4m");
  if (existsSync(film)) return film;
  mkdirSync(FILMS, { recursive: true });
  const script = join(ROOT, "scripts/make-camera-film.sh");
  const { code, stdout, stderr } = await run(script, [film], process.env, 120_000);
  if (code === NO_FACES) return null;
  if (code !== 0) throw new Error(`${script} failed: ${stdout}${stderr}`);
  return film;
}
