import { Empty } from "antd";

import type { AuditApi } from "@vbranch/sdk";

import { dateTime } from "../format";
import { useLanguage, useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useLoaded } from "./useLoaded";

export function AuditLog({ api }: { api: AuditApi }) {
  const { t, i18n } = useTranslation();
  const [language] = useLanguage();
  const { value, problem, reload } = useLoaded(api.log);
  const action = (name: string) =>
    i18n.exists(`audit.log.actions.${name}`) ? t(`audit.log.actions.${name}`) : name;
  return (
    <>
      <h1>{t("audit.tabs.log")}</h1>
      <ProblemNotice problem={problem} onRetry={reload} />
      {value?.length === 0 && (
        <Empty image={Empty.PRESENTED_IMAGE_SIMPLE} description={t("audit.log.empty")} />
      )}
      <ul className="audit-log" data-testid="audit-log" aria-label={t("audit.tabs.log")}>
        {value?.map((entry, at) => (
          <li
            key={`${entry.at}-${at}`}
            className="audit-entry card"
            data-testid="audit-entry"
            data-action={entry.action}
          >
            <time dateTime={new Date(entry.at).toISOString()}>{dateTime(entry.at, language)}</time>
            <strong>{entry.actor}</strong>
            <span>{action(entry.action)}</span>
            <span className="audit-reason">{entry.reason ?? ""}</span>
            <code className="muted">{entry.recording?.slice(0, 8) ?? ""}</code>
          </li>
        ))}
      </ul>
    </>
  );
}
