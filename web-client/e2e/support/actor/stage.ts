/** Runs in the page before its own scripts: whoever asks for a camera gets the actor's. */
import { Camera } from "./camera";
import { type Casting, type Note, randomFrom } from "./casting";
import { Light } from "./light";
import { Will } from "./will";

declare global {
  interface Window {
    e2eActor: { away: (away: boolean) => void; notes: Note[] };
  }
}

const NOTES_MAX = 2000;

export function enter(casting: Casting): void {
  const random = randomFrom(casting.seed);
  const notes: Note[] = [];
  const note = (what: string): void => {
    if (notes.length < NOTES_MAX) notes.push({ ms: Math.round(performance.now()), what });
  };
  const will = new Will(casting, random, note);
  const light = new Light(casting.lit, random, note);
  window.e2eActor = { away: (away) => will.goAway(away), notes };

  let camera: Promise<Camera> | null = null;
  const original = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
  if (original === undefined) return;
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    if (!wanted?.video) return original(wanted);
    camera ??= Camera.open(casting, random, will, light);
    const [opened, sound] = await Promise.all([
      camera,
      wanted.audio ? original({ audio: wanted.audio }) : new MediaStream(),
    ]);
    return new MediaStream([...sound.getTracks(), opened.track()]);
  };
}
