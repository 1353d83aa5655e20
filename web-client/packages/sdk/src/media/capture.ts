/** Camera and microphone, with every way it fails told apart. */
import { Problem } from "../problem.js";
import { requireSupport } from "./support.js";

/** Recording rules ask for at least 480p at 15 fps; 720p at 25 keeps documents legible. */
const VIDEO: MediaTrackConstraints = {
  width: { ideal: 1280 },
  height: { ideal: 720 },
  frameRate: { ideal: 25, max: 30 },
  facingMode: "user",
};
const AUDIO: MediaTrackConstraints = {
  echoCancellation: true,
  noiseSuppression: true,
  autoGainControl: true,
};

/**
 * Opens microphone and camera, or the microphone alone. Throws a `Problem` whose code says what the
 * person can do about it.
 */
export async function openCapture(video = true): Promise<MediaStream> {
  requireSupport();
  const open = (constraints: MediaStreamConstraints) =>
    navigator.mediaDevices.getUserMedia(constraints);
  try {
    return await open({ video: video && VIDEO, audio: AUDIO });
  } catch (thrown) {
    if (nameOf(thrown) !== "OverconstrainedError") throw await captureProblem(thrown);
  }
  try {
    return await open({ video, audio: true });
  } catch (thrown) {
    throw await captureProblem(thrown);
  }
}

export function closeCapture(stream: MediaStream | null): void {
  stream?.getTracks().forEach((track) => track.stop());
}

/** `permission_denied`, `no_camera`, `no_microphone`, `device_in_use` or `capture_failed`. */
export async function captureProblem(
  thrown: unknown,
  devices: () => Promise<Pick<MediaDeviceInfo, "kind">[]> = () =>
    navigator.mediaDevices.enumerateDevices(),
): Promise<Problem> {
  const name = nameOf(thrown);
  const detail = thrown instanceof Error ? thrown.message : name;
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new Problem("permission_denied", 0, detail);
  }
  if (name === "NotReadableError" || name === "AbortError") {
    return new Problem("device_in_use", 0, detail);
  }
  if (name === "NotFoundError" || name === "OverconstrainedError") {
    const kinds = await devices().catch(() => []);
    const camera = kinds.some((device) => device.kind === "videoinput");
    return new Problem(camera ? "no_microphone" : "no_camera", 0, detail);
  }
  return new Problem("capture_failed", 0, detail);
}

function nameOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.name : "unknown";
}
