import { Modal, Radio } from "antd";
import { useState } from "react";

import type { AuditApi, FilmLayout, RecordingRow } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ReasonForm } from "./ReasonForm";

type Props = {
  api: AuditApi;
  recording: RecordingRow | null;
  onCancel: () => void;
  onBegun: () => void;
};

/** No film without a reason. */
export function FilmDialog({ api, recording, onCancel, onBegun }: Props) {
  const { t } = useTranslation();
  const [layout, setLayout] = useState<FilmLayout>("side");
  const make = async (reason: string) => {
    if (recording === null) return;
    await api.makeFilm(recording.recording, reason, layout);
    onBegun();
  };
  return (
    <Modal
      title={t("audit.film.title")}
      open={recording !== null}
      footer={null}
      onCancel={onCancel}
    >
      <ReasonForm name="film" submit={t("audit.film.submit")} onSubmit={make}>
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
      </ReasonForm>
    </Modal>
  );
}
