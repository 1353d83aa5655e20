/** Camera and microphone, with every way it fails told apart. */
import { Problem } from "../problem.js";
/** Opens both devices. Throws a `Problem` whose code says what the person can do about it. */
export declare function openCapture(): Promise<MediaStream>;
export declare function closeCapture(stream: MediaStream | null): void;
/** `permission_denied`, `no_camera`, `no_microphone`, `device_in_use` or `capture_failed`. */
export declare function captureProblem(thrown: unknown, devices?: () => Promise<Pick<MediaDeviceInfo, "kind">[]>): Promise<Problem>;
