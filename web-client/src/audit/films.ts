/** What can be done with a film, and how it is told. Pure. */
import type { Film } from "@vbranch/sdk";

export type FilmAction = "cancel" | "discard" | "download" | "approve";

/** What the one who looks at the list may do with a film. */
export function actionsOf(film: Film): FilmAction[] {
  if (!film.mine) {
    return film.needs_second_person && film.approved_by === null && film.state !== "failed"
      ? ["approve"]
      : [];
  }
  if (film.state === "making") return ["cancel"];
  if (film.state === "failed") return ["discard"];
  return waitsForApproval(film) ? ["discard"] : ["download", "discard"];
}

/** Whether it stays in the branch until a second person has let it go. */
export function waitsForApproval(film: Film): boolean {
  return film.needs_second_person && film.approved_by === null;
}

/** Whole percents, and 100 only when it is made. */
export function percentOf(film: Film): number {
  if (film.state === "made") return 100;
  const share = film.position_ms / Math.max(1, film.total_ms);
  return Math.min(99, Math.max(0, Math.floor(share * 100)));
}

/** How long until the list is looked at again: a bar that moves wants it often. */
export function refreshAfter(films: readonly Film[]): number {
  return films.some((film) => film.state === "making") ? 1_000 : 5_000;
}

/** `1.2 MB`, as people read it. */
export function sizeOf(bytes: number): string {
  if (bytes < 1_000_000) return `${Math.ceil(bytes / 1_000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
