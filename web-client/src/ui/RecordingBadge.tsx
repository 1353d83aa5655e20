import type { RecordingPhase } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

/** Always in sight during a call: whoever is recorded can see it. */
export function RecordingBadge({ phase }: { phase: RecordingPhase }) {
  const { t } = useTranslation();
  return (
    <span
      className="recording-badge"
      data-testid="recording-state"
      data-state={phase}
      role="status"
    >
      <span className="recording-dot" aria-hidden="true" />
      {t(`recording.${phase}`)}
    </span>
  );
}
