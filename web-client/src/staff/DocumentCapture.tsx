import { Button, Modal } from "antd";
import { useEffect, useState } from "react";

import { Problem } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { toBase64 } from "../media/png";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { takeStill, type Still } from "./still";

type Props = {
  disabled: boolean;
  remote: HTMLVideoElement | null;
  onKeep: (imagePng: string) => Promise<boolean>;
};

type Shown = { still: Still; url: string };

/** Takes a still, shows it, and keeps it only once a person has found it legible. */
export function DocumentCapture({ disabled, remote, onKeep }: Props) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const [shown, setShown] = useState<Shown | null>(null);
  const url = shown?.url;
  useEffect(() => () => (url === undefined ? undefined : URL.revokeObjectURL(url)), [url]);

  const capture = () =>
    void run(async () => {
      if (remote === null) throw new Problem("media_not_connected", 0, "no video");
      const still = await takeStill(remote);
      setShown({ still, url: URL.createObjectURL(still.png) });
    });
  const keep = (taken: Still) =>
    void run(async () => {
      if (await onKeep(await toBase64(taken.png))) setShown(null);
    });

  return (
    <>
      <p className="muted small">{t("staff.document.text")}</p>
      <Button
        type="primary"
        disabled={disabled || busy}
        data-testid="document-capture"
        onClick={capture}
      >
        {t("staff.document.capture")}
      </Button>
      <ProblemNotice problem={problem} />
      <Modal
        title={t("staff.document.title")}
        open={shown !== null}
        width={860}
        onCancel={() => setShown(null)}
        footer={[
          <Button key="again" data-testid="document-retake" disabled={busy} onClick={capture}>
            {t("staff.document.retake")}
          </Button>,
          <Button
            key="keep"
            type="primary"
            loading={busy}
            disabled={disabled}
            data-testid="step-complete"
            onClick={() => shown && keep(shown.still)}
          >
            {t("staff.document.confirm")}
          </Button>,
        ]}
      >
        {shown && <Preview {...shown} />}
      </Modal>
    </>
  );
}

function Preview({ still, url }: Shown) {
  const { t } = useTranslation();
  const { width, height } = still;
  return (
    <figure className="still">
      <img src={url} alt={t("staff.document.preview")} data-testid="document-preview" />
      <figcaption className="muted small">
        {t("staff.document.size", { width, height, kb: Math.ceil(still.png.size / 1024) })}
      </figcaption>
    </figure>
  );
}
