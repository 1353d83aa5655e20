/** What a page can say of its camera: the branch holds it against the video that arrives. */
import type { CameraTraits } from "../protocol.js";

/** Labels come from devices; the server takes no more. */
const LABEL_MAX = 256;

/** What a page knows of the machine it runs on. */
export type Machine = Pick<Navigator, "userAgent" | "maxTouchPoints"> & {
  userAgentData?: { mobile?: boolean };
};

type Track = Pick<MediaStreamTrack, "label" | "getSettings">;

/** Traits of the camera whose pictures are sent. What the browser does not tell is left out. */
export function cameraTraits(track: Track | undefined, machine: Machine = navigator): CameraTraits {
  const traits: CameraTraits = { mobile: isMobile(machine) };
  if (track === undefined) return traits;
  const { width, height, frameRate } = track.getSettings();
  const label = Array.from(track.label.trim()).slice(0, LABEL_MAX).join("");
  if (label !== "") traits.label = label;
  if (isCount(width)) traits.width = Math.round(width);
  if (isCount(height)) traits.height = Math.round(height);
  if (isCount(frameRate)) traits.frame_rate = frameRate;
  return traits;
}

/** A guess: a tablet may well call itself a desktop, but a desktop has no fingers on its screen. */
export function isMobile({ userAgent, userAgentData, maxTouchPoints }: Machine): boolean {
  if (userAgentData?.mobile === true) return true;
  if (/Android|iPhone|iPad|iPod|Mobile|HarmonyOS/i.test(userAgent)) return true;
  return userAgent.includes("Macintosh") && maxTouchPoints > 1;
}

function isCount(value: number | undefined): value is number {
  return value !== undefined && Number.isFinite(value) && value > 0;
}
