import { Button, Empty, Progress, Tag } from "antd";
import { useEffect } from "react";

import type { AuditApi, Film } from "@vbranch/sdk";

import { clockTime, dateTime } from "../format";
import { useLanguage, useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { actionsOf, percentOf, refreshAfter, sizeOf, waitsForApproval } from "./films";
import { useLoaded } from "./useLoaded";

/** Films that are being made or kept, and what can be done with them. */
export function FilmList({ api }: { api: AuditApi }) {
  const { t } = useTranslation();
  const { value, problem, reload } = useLoaded(api.films);
  useEffect(() => {
    if (value === null) return;
    const timer = setTimeout(reload, refreshAfter(value));
    return () => clearTimeout(timer);
  }, [value, reload]);
  return (
    <>
      <h1>{t("audit.tabs.films")}</h1>
      <p className="muted">{t("audit.film.about")}</p>
      <ProblemNotice problem={problem} onRetry={reload} />
      {value?.length === 0 && (
        <section className="card" data-testid="films-empty">
          <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("audit.film.empty")} />
        </section>
      )}
      <ul className="recordings" aria-label={t("audit.tabs.films")}>
        {value?.map((film) => (
          <Row key={film.film} api={api} film={film} onChanged={reload} />
        ))}
      </ul>
    </>
  );
}

type RowProps = { api: AuditApi; film: Film; onChanged: () => void };

function Row({ api, film, onChanged }: RowProps) {
  const { t } = useTranslation();
  const [language] = useLanguage();
  return (
    <li
      className="film-row card"
      data-testid="film-row"
      data-film={film.film}
      data-state={film.state}
    >
      <div className="film-head">
        <strong>
          {t(`audit.film.${film.layout}`)} · {clockTime(film.total_ms)}
        </strong>
        <State film={film} />
      </div>
      <p className="film-facts muted">
        {film.by} · {dateTime(film.at, language)} · {film.reason} ·{" "}
        <code>{film.recording.slice(0, 8)}</code>
      </p>
      {film.state === "making" && (
        <Progress
          percent={percentOf(film)}
          aria-label={t("audit.film.progress")}
          data-testid="film-progress"
        />
      )}
      {film.left_out.length > 0 && (
        <p className="film-left-out">
          {t("audit.film.leftOut", { what: film.left_out.join("; ") })}
        </p>
      )}
      {film.sha256 !== null && (
        <p className="film-hash muted">
          SHA-256 <code>{film.sha256}</code> · {sizeOf(film.len)}
        </p>
      )}
      <Actions api={api} film={film} onChanged={onChanged} />
    </li>
  );
}

function State({ film }: { film: Film }) {
  const { t } = useTranslation();
  if (film.state === "failed") return <Tag color="error">{t("audit.film.failed")}</Tag>;
  if (film.approved_by !== null) {
    return <Tag color="success">{t("audit.film.approvedBy", { who: film.approved_by })}</Tag>;
  }
  if (waitsForApproval(film)) return <Tag color="warning">{t("audit.film.waits")}</Tag>;
  return film.state === "making" ? null : <Tag color="success">{t("audit.film.made")}</Tag>;
}

function Actions({ api, film, onChanged }: RowProps) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const act = async (command: () => Promise<unknown>) => {
    await run(command);
    onChanged();
  };
  return (
    <>
      <ProblemNotice problem={problem} />
      <div className="film-actions">
        {actionsOf(film).map((action) => {
          const common = { "data-testid": `film-${action}`, children: t(`audit.film.${action}`) };
          switch (action) {
            case "download":
              return (
                <Button key={action} type="primary" href={api.filmFile(film.film)} {...common} />
              );
            case "approve":
              return (
                <Button
                  key={action}
                  type="primary"
                  loading={busy}
                  onClick={() => void act(() => api.approveFilm(film.film))}
                  {...common}
                />
              );
            case "cancel":
            case "discard":
              return (
                <Button
                  key={action}
                  loading={busy}
                  onClick={() => void act(() => api.discardFilm(film.film))}
                  {...common}
                />
              );
          }
        })}
      </div>
    </>
  );
}
