import { useEffect, useState } from "react";

import { watchLevel } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

/** How loud the microphone is; `onHeard` once there was clearly a sound. */
export function LevelBar({ stream, onHeard }: { stream: MediaStream; onHeard?: () => void }) {
  const { t } = useTranslation();
  const [level, setLevel] = useState(0);
  useEffect(
    () =>
      watchLevel(stream, (now) => {
        setLevel(now);
        if (now > HEARD) onHeard?.();
      }),
    [stream, onHeard],
  );
  const percent = Math.round(level * 100);
  return (
    <div
      className="level-bar"
      role="meter"
      data-testid="mic-level"
      aria-label={t("media.level")}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={percent}
    >
      <div className="level-fill" style={{ transform: `scaleX(${level})` }} />
    </div>
  );
}

/** Speech at arm's length lies well above, a quiet room well below (about -33 dB). */
const HEARD = 0.45;
