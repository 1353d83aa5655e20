/**
 * Can the pictures of a segment be decoded without those of an earlier one? Reads the movie
 * fragments of ISO/IEC 14496-12, sections 8.8.7 and 8.8.8, just far enough; never beyond the bytes.
 */

import { boxes, u32 } from "./boxes";

const NON_SYNC = 0x0001_0000;
const TFHD_SIZES: readonly (readonly [flag: number, bytes: number])[] = [
  [0x01, 8],
  [0x02, 4],
  [0x08, 4],
  [0x10, 4],
];
const TFHD_DEFAULT_FLAGS = 0x20;
const TRUN_DATA_OFFSET = 0x001;
const TRUN_FIRST_FLAGS = 0x004;
const TRUN_DURATION = 0x100;
const TRUN_SIZE = 0x200;
const TRUN_FLAGS = 0x400;

/** True where the first sample of every track is a sync sample. (Every sample of sound is one.) */
export function startsWithKeyFrame(bytes: ArrayBuffer): boolean {
  const first = new Map<number, boolean>();
  const view = new DataView(bytes);
  for (const moof of boxes(view, "moof")) {
    for (const traf of boxes(moof, "traf")) {
      const [tfhd] = boxes(traf, "tfhd");
      const [trun] = boxes(traf, "trun");
      if (tfhd === undefined || trun === undefined || tfhd.byteLength < 8) continue;
      const track = tfhd.getUint32(4);
      if (!first.has(track)) first.set(track, isSync(tfhd, trun));
    }
  }
  return [...first.values()].every((sync) => sync);
}

function isSync(tfhd: DataView, trun: DataView): boolean {
  const flags = ownFlags(trun) ?? defaultFlags(tfhd);
  return flags === null || (flags & NON_SYNC) === 0;
}

/** The flags that a run gives its first sample, if it does. */
function ownFlags(trun: DataView): number | null {
  const has = u32(trun, 0) ?? 0;
  let at = 8 + (has & TRUN_DATA_OFFSET ? 4 : 0);
  if (has & TRUN_FIRST_FLAGS) return u32(trun, at);
  if (!(has & TRUN_FLAGS)) return null;
  at += (has & TRUN_DURATION ? 4 : 0) + (has & TRUN_SIZE ? 4 : 0);
  return u32(trun, at);
}

function defaultFlags(tfhd: DataView): number | null {
  const has = u32(tfhd, 0) ?? 0;
  if (!(has & TFHD_DEFAULT_FLAGS)) return null;
  const before = TFHD_SIZES.reduce((sum, [flag, bytes]) => sum + (has & flag ? bytes : 0), 0);
  return u32(tfhd, 8 + before);
}
