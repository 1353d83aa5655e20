import { Button, Empty, Tag } from "antd";

import type { AuditApi, RecordingRow } from "@vbranch/sdk";

import { clockTime, dateTime } from "../format";
import { useLanguage, useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useLoaded } from "./useLoaded";

type Props = {
  api: AuditApi;
  onReplay: (recording: RecordingRow) => void;
  onFilm: (recording: RecordingRow) => void;
};

export function RecordingList({ api, onReplay, onFilm }: Props) {
  const { t } = useTranslation();
  const { value, problem, reload } = useLoaded(api.recordings);
  return (
    <>
      <div className="title-row">
        <h1>{t("audit.tabs.recordings")}</h1>
        <Button data-testid="recordings-refresh" onClick={reload}>
          {t("audit.list.refresh")}
        </Button>
      </div>
      <ProblemNotice problem={problem} onRetry={reload} />
      {value?.length === 0 && (
        <section className="card" data-testid="recordings-empty">
          <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("audit.list.empty")} />
        </section>
      )}
      <ul className="recordings" aria-label={t("audit.tabs.recordings")}>
        {value?.map((row) => (
          <Row
            key={row.recording}
            row={row}
            onReplay={() => onReplay(row)}
            onFilm={() => onFilm(row)}
          />
        ))}
      </ul>
    </>
  );
}

type RowProps = { row: RecordingRow; onReplay: () => void; onFilm: () => void };

function Row({ row, onReplay, onFilm }: RowProps) {
  const { t } = useTranslation();
  const [language] = useLanguage();
  const recovered = row.state === "recovered";
  return (
    <li
      className="recording-row card"
      data-testid="recording-row"
      data-recording={row.recording}
      data-visit={row.visit}
      data-state={row.state}
    >
      <div className="recording-who">
        <strong>{row.number ?? t("audit.list.unknownNumber")}</strong>
        <span className="muted">{dateTime(row.started, language)}</span>
      </div>
      <dl className="recording-facts">
        <Fact name={t("audit.list.duration")} value={clockTime(row.duration_ms)} />
        <Fact
          name={t("audit.list.gaps")}
          value={row.gap_ms === 0 ? t("audit.list.none") : `${(row.gap_ms / 1000).toFixed(1)} s`}
        />
        <div>
          <dt>{t("audit.list.state")}</dt>
          <dd>
            <Tag
              color={recovered ? "warning" : "success"}
              title={recovered ? t("audit.list.recoveredText") : undefined}
            >
              {t(`audit.list.${row.state}`)}
            </Tag>
          </dd>
        </div>
      </dl>
      <div className="recording-actions">
        <Button data-testid="film-open" onClick={onFilm}>
          {t("audit.list.film")}
        </Button>
        <Button type="primary" data-testid="replay-open" onClick={onReplay}>
          {t("audit.list.replay")}
        </Button>
      </div>
    </li>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className="figures">{value}</dd>
    </div>
  );
}
