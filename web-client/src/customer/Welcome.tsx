import { Button } from "antd-mobile";

import type { CustomerView } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { ShieldIcon } from "../ui/icons";

export function Welcome({ view, onStart }: { view: CustomerView; onStart: () => void }) {
  const { t } = useTranslation();
  const text = useText();
  return (
    <section className="card stack" data-testid="visit-welcome">
      <h1>{t("customer.welcome.title")}</h1>
      <p className="product-line">
        <span className="muted">{t("customer.welcome.text")}</span>
        <strong>{text(view.product.name)}</strong>
      </p>
      <h2>{t("customer.welcome.how")}</h2>
      <ol className="numbered">
        <li>{t("customer.welcome.s1")}</li>
        <li>{t("customer.welcome.s2")}</li>
        <li>{t("customer.welcome.s3")}</li>
      </ol>
      <p className="assurance">
        <ShieldIcon />
        <span>{t("customer.welcome.safe")}</span>
      </p>
      <Button block color="primary" size="large" data-testid="welcome-continue" onClick={onStart}>
        {t("customer.welcome.start")}
      </Button>
    </section>
  );
}
