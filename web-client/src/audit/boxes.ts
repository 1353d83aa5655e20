/** Boxes of ISO/IEC 14496-12, read without going beyond the bytes. */

/** The contents of each box of a kind, directly inside `view`. */
export function boxes(view: DataView, kind: string): DataView[] {
  const found: DataView[] = [];
  let at = 0;
  while (at + 8 <= view.byteLength) {
    const size = view.getUint32(at);
    const end = size === 0 ? view.byteLength : at + size;
    // 64-bit sizes are for boxes over 4 GiB, which no segment has.
    if ((size !== 0 && size < 8) || end > view.byteLength) break;
    const name = String.fromCharCode(...[4, 5, 6, 7].map((offset) => view.getUint8(at + offset)));
    if (name === kind)
      found.push(new DataView(view.buffer, view.byteOffset + at + 8, end - at - 8));
    at = end;
  }
  return found;
}

/** The number at an offset; null beyond the end. */
export function u32(view: DataView, at: number): number | null {
  return at + 4 <= view.byteLength ? view.getUint32(at) : null;
}
