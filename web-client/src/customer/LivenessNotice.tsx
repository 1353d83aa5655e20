import { useTranslation } from "../i18n";
import { WarningIcon } from "../ui/icons";

/** What a customer must know before a check: the colours, whom they may harm, the way round them. */
export function LivenessNotice({ again }: { again: boolean }) {
  const { t } = useTranslation();
  return (
    <div className="liveness-notice">
      <div className="flash-warning" role="note" data-testid="flash-warning">
        <WarningIcon />
        <p>
          <strong>{t("customer.liveness.notice.flash")}</strong>{" "}
          {t("customer.liveness.notice.sensitive")}
        </p>
      </div>
      <ul className="liveness-tips small muted" data-testid="liveness-tips">
        <li>{t("customer.liveness.notice.bright")}</li>
        {again && (
          <>
            <li>{t("customer.liveness.notice.face")}</li>
            <li>{t("customer.liveness.notice.light")}</li>
          </>
        )}
      </ul>
    </div>
  );
}
