import { Button, Drawer } from "antd";
import { useState } from "react";

import type { StaffView } from "@vbranch/sdk";

import { LivenessTag } from "../console/LivenessTag";
import { useTranslation } from "../i18n";
import { FaceCheck } from "./FaceCheck";
import { useReasonWords } from "./words";
import type { KycSource } from "./useFaceCheck";
import "./kyc.css";

type Props = { source: KycSource; view: StaffView };

/** How the liveness check went, and the way to all that it measured. */
export function FaceCheckPanel({ source, view }: Props) {
  const { t } = useTranslation();
  const reason = useReasonWords();
  const [open, setOpen] = useState(false);
  const { status, verdict } = view.liveness;
  const made = status !== "not_started" && status !== "declined";
  return (
    <section
      className="card panel"
      aria-labelledby="face-check-title"
      data-testid="face-check-panel"
    >
      <h2 id="face-check-title" className="panel-title">
        {t("kyc.title")} <LivenessTag status={status} />
      </h2>
      {verdict !== null && (
        <p className="small">{reason(verdict.reason) ?? <code>{verdict.reason}</code>}</p>
      )}
      {!made && <p className="small">{t("kyc.state.none")}</p>}
      {status !== "passed" && <p className="muted small">{t("staff.liveness.byEye")}</p>}
      {made && (
        <Button data-testid="face-check-open" aria-haspopup="dialog" onClick={() => setOpen(true)}>
          {t("kyc.open")}
        </Button>
      )}
      <Drawer
        title={`${t("kyc.title")} · ${view.number}`}
        open={open}
        size={DRAWER_PX}
        destroyOnHidden
        className="face-check-drawer"
        closable={{ "aria-label": t("kyc.close") }}
        onClose={() => setOpen(false)}
      >
        <FaceCheck source={source} view={view} />
      </Drawer>
    </section>
  );
}

/** Wide enough for picture and signals side by side; a phone gives what it has. */
const DRAWER_PX = 780;
