import { Button, Input, Modal, Radio } from "antd";
import { useState } from "react";

import type { AuditApi, FilmLayout, RecordingRow } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { LONGEST_REASON, SHORTEST_REASON } from "./ReasonDialog";

type Props = {
  api: AuditApi;
  recording: RecordingRow | null;
  onCancel: () => void;
  onBegun: () => void;
};

/** No film without a reason. */
export function FilmDialog({ api, recording, onCancel, onBegun }: Props) {
  const { t } = useTranslation();
  const [reason, setReason] = useState("");
  const [layout, setLayout] = useState<FilmLayout>("side");
  const { busy, problem, run } = useAction();
  const enough = reason.trim().length >= SHORTEST_REASON;
  const submit = async () => {
    if (recording === null) return;
    const begun = await run(() => api.makeFilm(recording.recording, reason.trim(), layout));
    if (begun) onBegun();
  };
  return (
    <Modal
      title={t("audit.film.title")}
      open={recording !== null}
      footer={null}
      onCancel={onCancel}
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          if (enough) void submit();
        }}
      >
        <p>{t("audit.film.text")}</p>
        <fieldset className="film-layouts">
          <legend>{t("audit.film.layout")}</legend>
          <Radio.Group
            value={layout}
            onChange={(event) => setLayout(event.target.value as FilmLayout)}
            options={(["side", "pip"] as const).map((value) => ({
              value,
              label: <span data-testid={`film-layout-${value}`}>{t(`audit.film.${value}`)}</span>,
            }))}
          />
        </fieldset>
        <label className="field">
          <span>{t("audit.reason.label")}</span>
          <Input.TextArea
            rows={3}
            maxLength={LONGEST_REASON}
            showCount
            value={reason}
            data-testid="film-reason"
            onChange={(event) => setReason(event.target.value)}
          />
        </label>
        <ProblemNotice problem={problem} />
        <Button
          type="primary"
          htmlType="submit"
          loading={busy}
          disabled={!enough}
          data-testid="film-submit"
        >
          {t("audit.film.submit")}
        </Button>
      </form>
    </Modal>
  );
}
