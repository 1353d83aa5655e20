import type { ReactNode } from "react";

import type { ReplayGap, TimelineEvent } from "@vbranch/sdk";

import { clockTime } from "../format";
import { useTranslation } from "../i18n";
import { PauseIcon, PlayIcon } from "../ui/icons";
import type { PlayerState, ReplayPlayer } from "./ReplayPlayer";

type Props = { player: ReplayPlayer; state: PlayerState; children?: ReactNode };

const RATES = [0.5, 1, 1.5, 2, 4];

/** One set of controls for all tracks. */
export function ReplayControls({ player, state, children }: Props) {
  const { t } = useTranslation();
  const { summary, gaps, timeline } = player.replay.view;
  const total = summary.duration_ms;
  const label = t(state.playing ? "audit.replay.pause" : "audit.replay.play");
  return (
    <div className="card replay-controls">
      <button
        type="button"
        className="play-button"
        data-testid="replay-play"
        data-playing={state.playing}
        aria-label={label}
        title={label}
        onClick={() => player.toggle()}
      >
        {state.playing ? <PauseIcon /> : <PlayIcon />}
      </button>
      <div className="seek">
        <input
          type="range"
          min={0}
          max={total}
          step={100}
          value={Math.round(state.positionMs)}
          data-testid="replay-seek"
          aria-label={t("audit.replay.seek")}
          aria-valuetext={`${clockTime(state.positionMs)} / ${clockTime(total)}`}
          onChange={(event) => player.seek(Number(event.target.value))}
        />
        <GapMarks gaps={gaps} total={total} />
        <EventMarks timeline={timeline} total={total} />
        <div className="seek-words">
          <span
            className="figures"
            data-testid="replay-position"
            data-ms={Math.round(state.positionMs)}
          >
            {clockTime(state.positionMs)} / {clockTime(total)}
          </span>
          <GapWords gaps={gaps} gapMs={summary.gap_ms} />
        </div>
      </div>
      <label className="speed">
        <span>{t("audit.replay.speed")}</span>
        <select
          value={state.rate}
          data-testid="replay-speed"
          onChange={(event) => player.setRate(Number(event.target.value))}
        >
          {RATES.map((rate) => (
            <option key={rate} value={rate}>
              {rate}×
            </option>
          ))}
        </select>
      </label>
      {children}
    </div>
  );
}

function GapMarks({ gaps, total }: { gaps: ReplayGap[]; total: number }) {
  const percent = (ms: number) => `${(100 * ms) / Math.max(1, total)}%`;
  return (
    <div className="gap-marks" aria-hidden="true">
      {gaps.map((gap, at) => (
        <span
          key={at}
          data-testid="gap-mark"
          style={{ left: percent(gap.offset_ms), width: percent(gap.duration_ms) }}
        />
      ))}
    </div>
  );
}

/** Where steps begin, checks end and alarms are; the list beside it says which, and goes there. */
const MARKED: Record<string, string> = {
  step_opened: "step",
  kyc_verdict: "kyc",
  alarm: "alarm",
};

function EventMarks({ timeline, total }: { timeline: TimelineEvent[]; total: number }) {
  return (
    <div className="event-marks" aria-hidden="true">
      {timeline.map((event, at) => {
        const kind = MARKED[event.type];
        const left = `${(100 * event.offset_ms) / Math.max(1, total)}%`;
        return kind === undefined ? null : (
          <span key={at} className={kind} data-testid="event-mark" style={{ left }} />
        );
      })}
    </div>
  );
}

function GapWords({ gaps, gapMs }: { gaps: ReplayGap[]; gapMs: number }) {
  const { t } = useTranslation();
  if (gaps.length === 0) return <span className="muted">{t("audit.replay.noGaps")}</span>;
  return (
    <span className="gap-words" data-testid="replay-gaps">
      {t("audit.replay.gaps", { count: gaps.length, seconds: (gapMs / 1000).toFixed(1) })}
    </span>
  );
}
