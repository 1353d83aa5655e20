import { Button } from "antd-mobile";
import { useState } from "react";

import { PublicApi } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { loadInfo, useInfo } from "../info";
import { Brand } from "../ui/Brand";
import { LangSwitch } from "../ui/LangSwitch";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import "./entry.css";

const STEPS = ["consent", "check", "wait", "call"] as const;

export default function EntryPage() {
  const { t } = useTranslation();
  const { info, problem } = useInfo();
  return (
    <div className="page">
      <header className="page-header">
        <Brand />
        <LangSwitch />
      </header>
      <main className="page-main entry">
        <section className="entry-words">
          <h1>{t("customer.entry.title")}</h1>
          <p>{t("customer.entry.text")}</p>
          <ol className="entry-steps">
            {STEPS.map((step) => (
              <li key={step}>{t(`customer.entry.steps.${step}`)}</li>
            ))}
          </ol>
        </section>
        <section className="card stack entry-start">
          <p>{t("customer.entry.prepare")}</p>
          {info?.demo === true && <DemoStart />}
          {info?.demo === false && <p>{t("customer.entry.needLink")}</p>}
          <ProblemNotice problem={problem} onRetry={loadInfo} />
          <nav className="entry-links">
            <a href="/staff" data-testid="link-staff">
              {t("customer.entry.staff")}
            </a>
            <a href="/supervisor" data-testid="link-supervisor">
              {t("customer.entry.supervisor")}
            </a>
            <a href="/audit" data-testid="link-audit">
              {t("customer.entry.audit")}
            </a>
          </nav>
        </section>
      </main>
    </div>
  );
}

function DemoStart() {
  const { t } = useTranslation();
  const text = useText();
  const { info } = useInfo();
  const products = info?.products ?? [];
  const [chosen, setChosen] = useState<string | null>(null);
  const { busy, problem, run } = useAction();
  const product = chosen ?? products[0]?.id ?? "";
  const start = () =>
    run(async () => {
      const { url } = await new PublicApi().demoVisit(product);
      location.assign(new URL(url, location.origin));
    });
  return (
    <>
      {products.length > 1 && (
        <label className="entry-product">
          <span>{t("customer.entry.product")}</span>
          <select
            value={product}
            data-testid="demo-product"
            onChange={(event) => setChosen(event.target.value)}
          >
            {products.map((each) => (
              <option key={each.id} value={each.id}>
                {text(each.name)}
              </option>
            ))}
          </select>
        </label>
      )}
      <ProblemNotice problem={problem} />
      <Button
        block
        color="primary"
        size="large"
        loading={busy}
        disabled={busy || product === ""}
        data-testid="start-visit"
        onClick={() => void start()}
      >
        {t("customer.entry.start")}
      </Button>
      <p className="muted small centred">{t("customer.entry.demo")}</p>
    </>
  );
}
