import { Button, Modal } from "antd";
import { useEffect, useState, type RefObject } from "react";

import { Problem } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { toBase64 } from "../media/png";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { takeStill, type Still } from "./still";

type Props = {
  disabled: boolean;
  remote: RefObject<HTMLVideoElement | null>;
  onKeep: (imagePng: string) => Promise<boolean>;
};

/** Takes a still, shows it, and keeps it only once a person has found it legible. */
export function DocumentCapture({ disabled, remote, onKeep }: Props) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const [still, setStill] = useState<Still | null>(null);

  const capture = () =>
    void run(async () => {
      if (remote.current === null) throw new Problem("media_not_connected", 0, "no video");
      setStill(await takeStill(remote.current));
    });
  const keep = (taken: Still) =>
    void run(async () => {
      if (await onKeep(await toBase64(taken.png))) setStill(null);
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
        open={still !== null}
        width={860}
        onCancel={() => setStill(null)}
        footer={[
          <Button key="again" data-testid="document-retake" disabled={busy} onClick={capture}>
            {t("staff.document.retake")}
          </Button>,
          <Button
            key="keep"
            type="primary"
            loading={busy}
            disabled={disabled}
            data-testid="document-confirm"
            onClick={() => still && keep(still)}
          >
            {t("staff.document.confirm")}
          </Button>,
        ]}
      >
        {still && <Preview still={still} />}
      </Modal>
    </>
  );
}

function Preview({ still }: { still: Still }) {
  const { t } = useTranslation();
  const [url, setUrl] = useState<string | undefined>(undefined);
  useEffect(() => {
    const made = URL.createObjectURL(still.png);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [still]);
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
