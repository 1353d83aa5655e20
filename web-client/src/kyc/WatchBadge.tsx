import type { CallView, WatchAlarm, Watched } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { EyeIcon, WarningIcon } from "../ui/icons";
import "./kyc.css";

/** What the watch says of a party's face now; null where that face is not watched. */
export function watchedOf(
  watch: readonly Watched[] | undefined,
  participant: CallView["me"] | undefined,
): WatchAlarm[] | null {
  return watch?.find((each) => each.participant === participant)?.alarms ?? null;
}

type Props = { alarms: WatchAlarm[] | null; seat: string };

/**
 * Beside a party's picture: an eye while all is well, words while it is not. The log of alarms
 * reads them out, so this stays silent.
 */
export function WatchBadge({ alarms, seat }: Props) {
  const { t } = useTranslation();
  if (alarms === null) return null;
  const well = alarms.length === 0;
  return (
    <span
      className={`watch-badge${well ? "" : " is-alarmed"}`}
      data-testid={`watch-${seat}`}
      data-alarms={alarms.join(" ")}
    >
      {well ? (
        <span className="watch-well" title={t("kyc.watch.well")}>
          <EyeIcon />
          <span className="visually-hidden">{t("kyc.watch.well")}</span>
        </span>
      ) : (
        alarms.map((alarm) => (
          <span key={alarm} className="watch-alarm">
            <WarningIcon />
            {t(`kyc.watch.${alarm}`)}
          </span>
        ))
      )}
    </span>
  );
}
