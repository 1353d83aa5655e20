import type { CallView } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { bars } from "./QualityBars";
import { own } from "./people";

/** From here on down a person notices, and can do something about it. */
const POOR = 2;

/** Tells a customer that it is their own network or device, in words, while it is. */
export function OwnQuality({ call }: { call: CallView }) {
  const { t } = useTranslation();
  const quality = own(call)?.quality ?? null;
  const poor = quality !== null && bars(quality) <= POOR;
  return (
    <p
      className="own-quality"
      role="status"
      data-testid="own-quality"
      data-score={quality === null ? "" : bars(quality)}
      data-cause={quality?.cause ?? ""}
    >
      {poor ? t(`call.ownQuality.${quality.cause ?? "delay"}`) : ""}
    </p>
  );
}
