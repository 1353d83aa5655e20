/** From statistics, read many times, to the figures of a run. */

/** Media is back when so many frames follow within a second. */
const FRAMES_BACK = 5;
/** Sound is back when half of a second is not made up. */
const HEARD_BACK = 24_000;

const at = (samples, time) => samples.findLast((sample) => sample.at <= time) ?? samples[0];

/** Between two times (milliseconds since the epoch) at one person. */
export function figures(samples, from, until) {
  const usable = samples.filter((sample) => sample.video && sample.audio);
  const [a, b] = [at(usable, from), at(usable, until)];
  const seconds = (b.at - a.at) / 1000;
  const video = (key) => b.video[key] - a.video[key];
  const audio = (key) => b.audio[key] - a.audio[key];
  const ratio = (part, whole) => (whole > 0 ? part / whole : 0);
  return {
    fps: ratio(video("frames"), seconds),
    freezes: video("freezes"),
    frozen: ratio(video("frozenS"), seconds),
    longestStill: longestStill(usable, from, until),
    concealed: ratio(audio("concealed"), audio("heard")),
    videoKbps: ratio(video("bytes") * 8, seconds * 1000),
    videoBufferMs: ratio(video("bufferS") * 1000, video("emitted")),
    audioBufferMs: ratio(audio("bufferS") * 1000, audio("emitted")),
    lost: ratio(video("lost"), video("lost") + video("packets")),
    nacks: video("nacks"),
    plis: video("plis"),
  };
}

/** The longest time without a new frame, in seconds, to the pace of reading. */
function longestStill(samples, from, until) {
  let [longest, since, frames] = [0, from, -1];
  for (const sample of samples.filter((s) => s.at >= from && s.at <= until)) {
    if (sample.video.frames !== frames) {
      longest = Math.max(longest, sample.at - since);
      [since, frames] = [sample.at, sample.video.frames];
    }
  }
  return Math.max(longest, until - since) / 1000;
}

/** Seconds from `time` until picture and sound are back; null where they never were. */
export function back(samples, time) {
  const after = samples.filter((sample) => sample.at >= time && sample.video && sample.audio);
  const sound = (sample) => sample.audio.heard - sample.audio.concealed;
  const first = after.find((sample) => {
    const later = at(after, sample.at + 1000);
    return (
      later.at > sample.at &&
      later.video.frames - sample.video.frames >= FRAMES_BACK &&
      sound(later) - sound(sample) >= HEARD_BACK
    );
  });
  return first === undefined ? null : (first.at - time) / 1000;
}

/** Frames and kilobits of each second since `from`, for charts. */
export function course(samples, from) {
  const usable = samples.filter((sample) => sample.video && sample.audio);
  const seconds = [];
  const last = usable.at(-1)?.at ?? from;
  for (let time = from; time + 1000 <= last; time += 1000) {
    const [a, b] = [at(usable, time), at(usable, time + 1000)];
    const elapsed = (b.at - a.at) / 1000 || 1;
    seconds.push({
      second: Math.round((time + 1000 - from) / 1000),
      fps: (b.video.frames - a.video.frames) / elapsed,
      kbps: ((b.video.bytes - a.video.bytes) * 8) / 1000 / elapsed,
      concealed: (b.audio.concealed - a.audio.concealed) / (b.audio.heard - a.audio.heard || 1),
    });
  }
  return seconds;
}

/** What of a run's targets was missed, in words. */
export function missed(targets, people) {
  return targets.flatMap(({ what, most, least }) =>
    Object.entries(people).flatMap(([who, figure]) => {
      const value = figure[what];
      const good =
        value !== null &&
        (most === undefined || value <= most) &&
        (least === undefined || value >= least);
      const limit = most === undefined ? `at least ${least}` : `at most ${most}`;
      return good ? [] : [`${who}: ${what} ${value?.toFixed(3) ?? "never"}, ${limit} wanted`];
    }),
  );
}
