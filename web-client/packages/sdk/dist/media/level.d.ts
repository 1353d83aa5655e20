/** How loud a stream is, for a level bar. */
/** Calls `onLevel` with 0 (silence) to 1 (very loud) ten times a second; returns how to stop. */
export declare function watchLevel(stream: MediaStream, onLevel: (level: number) => void): () => void;
/** Loudness on a decibel scale: -60 dB and less is 0, full scale is 1. */
export declare function levelOf(samples: Float32Array): number;
