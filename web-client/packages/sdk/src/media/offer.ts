/** Offers and answers: what the API does not let one say. */

/**
 * Asks for lost sound to be sent again. Chromium can, but says so only if told to; half a round
 * trip later such a packet is still in time to be heard (RFC 4585 section 4.2).
 */
export function withAudioNack(sdp: string): string {
  const sections = sdp.split(/(?=^m=)/m);
  return sections
    .map((section) => (section.startsWith("m=audio") ? nack(section) : section))
    .join("");
}

function nack(section: string): string {
  const opus = /^a=rtpmap:(\d+) opus\/48000/im.exec(section)?.[1];
  if (opus === undefined || new RegExp(`^a=rtcp-fb:${opus} nack\\s*$`, "m").test(section)) {
    return section;
  }
  const line = `a=rtcp-fb:${opus} nack\r\n`;
  return section.replace(new RegExp(`^a=rtpmap:${opus} .*\\r?\\n`, "m"), (map) => map + line);
}

/** What an answer has pictures sent in unless one chooses: the first format of `m=video`. */
export function preferredPicture(answer: string): string | null {
  const sections = answer.split(/(?=^m=)/m);
  const video = sections.find((section) => section.startsWith("m=video")) ?? "";
  const format = /^m=video \d+ \S+ (\d+)/.exec(video)?.[1];
  const name = new RegExp(`^a=rtpmap:${format} ([^/]+)/`, "m").exec(video)?.[1];
  return name?.toLowerCase() ?? null;
}

/**
 * Whether a later answer is about the same connection. A server that has lost the connection makes
 * a new one of a restart's offer, with other streams, and this one would wait for ever.
 */
export function sameStreams(before: string, after: string): boolean {
  const of = (sdp: string) => [...sdp.matchAll(/^a=ssrc:(\d+)/gm)].map((match) => match[1]);
  return of(before).join() === of(after).join();
}
