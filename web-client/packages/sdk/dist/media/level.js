/** How loud a stream is, for a level bar. */
const EVERY_MS = 100;
/** Calls `onLevel` with 0 (silence) to 1 (very loud) ten times a second; returns how to stop. */
export function watchLevel(stream, onLevel) {
    if (stream.getAudioTracks().length === 0)
        return () => undefined;
    const context = new AudioContext();
    const analyser = context.createAnalyser();
    analyser.fftSize = 1024;
    context.createMediaStreamSource(stream).connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    const timer = setInterval(() => {
        if (context.state === "suspended")
            void context.resume().catch(() => undefined);
        analyser.getFloatTimeDomainData(samples);
        onLevel(levelOf(samples));
    }, EVERY_MS);
    return () => {
        clearInterval(timer);
        void context.close().catch(() => undefined);
    };
}
/** Loudness on a decibel scale: -60 dB and less is 0, full scale is 1. */
export function levelOf(samples) {
    let sum = 0;
    for (const sample of samples)
        sum += sample * sample;
    const rms = Math.sqrt(sum / Math.max(1, samples.length));
    if (rms === 0)
        return 0;
    return Math.min(1, Math.max(0, 1 + (20 * Math.log10(rms)) / 60));
}
//# sourceMappingURL=level.js.map