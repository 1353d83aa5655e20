import { useMemo } from "react";

import type { ReplayGap, TimelineEvent } from "@vbranch/sdk";

import { clockTime } from "../format";
import { useTranslation } from "../i18n";
import type { ReplayPlayer } from "./ReplayPlayer";
import { eventWords } from "./words";

type Row = { offset: number; type: string; words: string; step: string | null };

/** Everything that happened, in order; choosing a line goes there. */
export function Timeline({ player, positionMs }: { player: ReplayPlayer; positionMs: number }) {
  const { t, i18n } = useTranslation();
  const { timeline, gaps, tracks } = player.replay.view;
  const rows = useMemo(() => {
    const words = { t: (key: string, values = {}) => t(key, values), exists: i18n.exists };
    const gapWords = (gap: ReplayGap) =>
      [whose(gap), t(`audit.gap.${gap.kind}`), cause(gap)].filter(Boolean).join(" · ");
    const whose = (gap: ReplayGap) => {
      const role = tracks.find((track) => track.participant === gap.participant)?.role;
      return role === undefined ? "" : t(`audit.replay.${role}`);
    };
    const cause = (gap: ReplayGap) =>
      i18n.exists(`audit.gap.${gap.cause}`) ? t(`audit.gap.${gap.cause}`) : gap.cause;
    const events = timeline.map((event) => ({
      offset: event.offset_ms,
      type: event.type,
      words: eventWords(words, event),
      step: stepOf(event),
    }));
    const missing = gaps.map((gap) => ({
      offset: gap.offset_ms,
      type: "gap",
      words: gapWords(gap),
      step: null,
    }));
    return [...events, ...missing].toSorted((one, other) => one.offset - other.offset);
  }, [timeline, gaps, tracks, t, i18n]);
  const current = rows.findLastIndex((row) => row.offset <= positionMs);

  return (
    <section className="card timeline" aria-labelledby="timeline-title">
      <h2 id="timeline-title">{t("audit.replay.timeline")}</h2>
      <ol>
        {rows.map((row, at) => (
          <li key={`${row.offset}-${at}`}>
            <Line row={row} current={at === current} onSeek={() => player.seek(row.offset)} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Line({ row, current, onSeek }: { row: Row; current: boolean; onSeek: () => void }) {
  const { t } = useTranslation();
  const time = clockTime(row.offset);
  return (
    <button
      type="button"
      className={`timeline-event ${row.type}${current ? " is-current" : ""}`}
      data-testid="timeline-event"
      data-type={row.type}
      data-step={row.step ?? ""}
      data-offset={row.offset}
      aria-current={current ? "time" : undefined}
      aria-label={`${t("audit.replay.seekTo", { time })}: ${row.words}`}
      onClick={onSeek}
    >
      <span className="figures muted">{time}</span>
      <span>{row.words}</span>
    </button>
  );
}

function stepOf(event: TimelineEvent): string | null {
  return typeof event.step === "string" ? event.step : null;
}
