import { Alert, Tag } from "antd";

import type { Alarm, StaffView } from "@vbranch/sdk";

import { clockTime, dateTime } from "../format";
import { useLanguage, useText, useTranslation } from "../i18n";
import { useNow } from "../ui/useNow";

/** Who is served, for how long, and whether both connections and both stores are well. */
export function StatusPanel({ view }: { view: StaffView }) {
  const { t } = useTranslation();
  const text = useText();
  const now = useNow(1000);
  const { stores, state } = view.recording;
  return (
    <section className="card panel">
      <h2>
        {view.number} · {text(view.product.name)}
      </h2>
      <dl className="status-facts">
        <div>
          <dt>{t("staff.call.elapsed")}</dt>
          <dd className="figures">{view.started === null ? "–" : clockTime(now - view.started)}</dd>
        </div>
        <Connection who={t("staff.call.me")} testid="connection-me" on={view.media.connected} />
        <Connection
          who={t("staff.call.customer")}
          testid="connection-customer"
          on={view.media.peer_connected}
        />
        <div data-testid="recording-panel" data-state={state}>
          <dt>{t("staff.call.recording")}</dt>
          <dd>
            <Tag color={RECORDING[state]}>{t(`recording.${state}`)}</Tag>
          </dd>
        </div>
        {(["a", "b"] as const).map((store) => (
          <div key={store} data-testid={`store-${store}`} data-state={stores[store]}>
            <dt>{t("staff.call.store", { name: store.toUpperCase() })}</dt>
            <dd>
              <Tag color={stores[store] === "ok" ? "success" : "error"}>
                {t(stores[store] === "ok" ? "staff.call.storeOk" : "staff.call.storeDegraded")}
              </Tag>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

const RECORDING = { off: "default", starting: "processing", on: "success", failed: "error" };

function Connection({ who, testid, on }: { who: string; testid: string; on: boolean }) {
  const { t } = useTranslation();
  return (
    <div data-testid={testid} data-connected={on}>
      <dt>{who}</dt>
      <dd>
        <Tag color={on ? "success" : "warning"}>
          {t(on ? "staff.call.connected" : "staff.call.disconnected")}
        </Tag>
      </dd>
    </div>
  );
}

/** Troubles staff must know of, newest first. */
export function Alarms({ view }: { view: StaffView }) {
  const { t, i18n } = useTranslation();
  const [language] = useLanguage();
  const words = ({ code, who }: Alarm) => {
    if (!i18n.exists(`staff.alarm.${code}`)) return t("staff.alarm.unknown", { code });
    const what = t(`staff.alarm.${code}`);
    return who === null ? what : t("staff.alarm.of", { who: t(`call.seat.${who}`), what });
  };
  return (
    <div className="alarms" role="log" aria-label={t("staff.call.alarms")} data-testid="alarms">
      {view.alarms
        .toSorted((one, other) => other.at - one.at)
        .slice(0, SHOWN_ALARMS)
        .map((alarm) => (
          <Alert
            key={`${alarm.code}-${alarm.who}-${alarm.at}`}
            showIcon
            type={GRAVE.has(alarm.code) ? "error" : "warning"}
            title={words(alarm)}
            data-testid="alarm"
            data-code={alarm.code}
            data-who={alarm.who ?? ""}
            description={dateTime(alarm.at, language)}
          />
        ))}
    </div>
  );
}

/** What may mean that the call must not go on. */
const GRAVE = new Set(["recording_failed", "face_different", "kyc_evidence_missing"]);

/** More than a few at once is a wall nobody reads; all of them are on the recording's timeline. */
const SHOWN_ALARMS = 4;
