/**
 * Is there media at a point of a track? A recording may have holes (a lost connection), and a player
 * cannot tell a hole from data that has not been loaded: here the two are told apart. Pure.
 */

/** Seconds of media time. */
export type Span = { start: number; end: number };
export type Coverage = "ready" | "hole" | "loading";

/** A decoder needs some frames ahead: less than this before a hole cannot be entered … */
const ENTER_S = 0.4;
/** … and not be played to its last frame without stalling. */
const LEAVE_S = 0.15;

/**
 * `buffered`: what can be played. `loaded`: the segments that were fetched, whatever was in them.
 * `inside`: the player is already playing here.
 */
export function coverageAt(
  at: number,
  buffered: Span[],
  loaded: Span[],
  inside: boolean,
): Coverage {
  const range = buffered.find((span) => holds(span, at));
  if (range !== undefined) {
    const ahead = range.end - at;
    const grows = !loaded.some((span) => holds(span, range.end + LEAVE_S));
    if (ahead >= (inside || grows ? LEAVE_S : ENTER_S)) return "ready";
    if (grows) return "loading";
  }
  return loaded.some((span) => holds(span, at)) ? "hole" : "loading";
}

function holds(span: Span, at: number): boolean {
  return span.start <= at && at < span.end;
}
