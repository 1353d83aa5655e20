/** Sharing a screen, where the browser can: phones cannot. */
import { Problem } from "../problem.js";

/** Text has to stay legible; more pictures a second only blur it on a thin line. */
const SCREEN: DisplayMediaStreamOptions = {
  video: { frameRate: { ideal: 10, max: 15 } },
  audio: false,
};

export function canShareScreen(): boolean {
  // Missing on phones, and without a secure page there are no devices at all.
  const { mediaDevices } = navigator as { mediaDevices?: Partial<MediaDevices> };
  return typeof mediaDevices?.getDisplayMedia === "function";
}

/** Lets the person choose what to show. Null where they changed their mind. */
export async function openScreen(): Promise<MediaStream | null> {
  if (!canShareScreen()) throw new Problem("no_screen", 0, "getDisplayMedia is missing");
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia(SCREEN);
    for (const track of stream.getVideoTracks()) track.contentHint = "detail";
    return stream;
  } catch (thrown) {
    if (thrown instanceof Error && thrown.name === "NotAllowedError") return null;
    throw new Problem("no_screen", 0, thrown instanceof Error ? thrown.message : "unknown");
  }
}
