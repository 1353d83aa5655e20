import { Button, Input, Modal, Select } from "antd";
import { useState } from "react";

import type { NewVisit, StaffApi } from "@vbranch/sdk";

import { dateTime } from "../format";
import { useLanguage, useText, useTranslation } from "../i18n";
import { useInfo } from "../info";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";

/** Makes the link that a customer opens. It is shown once: the server keeps only its hash. */
export function NewLink({ api }: { api: StaffApi }) {
  const { t } = useTranslation();
  const [open, setOpen] = useState(false);
  return (
    <>
      <Button data-testid="new-link" onClick={() => setOpen(true)}>
        {t("staff.link.button")}
      </Button>
      <Modal
        title={t("staff.link.title")}
        open={open}
        footer={null}
        destroyOnHidden
        onCancel={() => setOpen(false)}
      >
        <LinkForm api={api} />
      </Modal>
    </>
  );
}

function LinkForm({ api }: { api: StaffApi }) {
  const { t } = useTranslation();
  const text = useText();
  const { info } = useInfo();
  const { busy, problem, run } = useAction();
  const [chosen, setChosen] = useState<string | null>(null);
  const [made, setMade] = useState<NewVisit | null>(null);
  const products = info?.products ?? [];
  const product = chosen ?? products[0]?.id ?? "";
  if (made !== null) return <MadeLink made={made} />;
  return (
    <div className="stack">
      <label className="field">
        <span>{t("staff.link.product")}</span>
        <Select
          value={product}
          data-testid="link-product"
          options={products.map((each) => ({ value: each.id, label: text(each.name) }))}
          onChange={setChosen}
        />
      </label>
      <ProblemNotice problem={problem} />
      <Button
        type="primary"
        loading={busy}
        disabled={product === ""}
        data-testid="link-create"
        onClick={() => void run(async () => setMade(await api.createVisit(product)))}
      >
        {t("staff.link.create")}
      </Button>
    </div>
  );
}

function MadeLink({ made }: { made: NewVisit }) {
  const { t } = useTranslation();
  const [language] = useLanguage();
  const [copied, setCopied] = useState(false);
  const url = new URL(made.url, location.origin).href;
  const copy = () => {
    void navigator.clipboard.writeText(url).then(() => setCopied(true));
  };
  return (
    <div className="stack">
      <p>{t("staff.link.made")}</p>
      <label className="field">
        <span>{t("staff.link.url")}</span>
        <Input readOnly value={url} data-testid="link-url" onFocus={(e) => e.target.select()} />
      </label>
      <p className="muted small">
        {t("staff.link.expires", { when: dateTime(made.expires, language) })}
      </p>
      <Button type="primary" data-testid="link-copy" onClick={copy}>
        <span role="status">{t(copied ? "copied" : "copy")}</span>
      </Button>
    </div>
  );
}
