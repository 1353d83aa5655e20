import { Modal } from "antd";

import type { AuditApi, RecordingRow, Replay } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { ReasonForm } from "./ReasonForm";

type Props = {
  api: AuditApi;
  recording: RecordingRow | null;
  onCancel: () => void;
  onReplay: (replay: Replay) => void;
};

/** No replay without a reason; it is on the audit log before the first picture. */
export function ReasonDialog({ api, recording, onCancel, onReplay }: Props) {
  const { t } = useTranslation();
  const replay = async (reason: string) => {
    if (recording !== null) onReplay(await api.replay(recording.recording, reason));
  };
  return (
    <Modal
      title={t("audit.reason.title")}
      open={recording !== null}
      footer={null}
      onCancel={onCancel}
    >
      <ReasonForm name="replay" submit={t("audit.reason.submit")} onSubmit={replay}>
        <p>{t("audit.reason.text")}</p>
      </ReasonForm>
    </Modal>
  );
}
