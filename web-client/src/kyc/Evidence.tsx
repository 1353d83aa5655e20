import type { KycVerdict } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

/** What the verdict rests on, by digest: models, policy, and what was sealed beside the media. */
export function Evidence({ verdict }: { verdict: KycVerdict }) {
  const { t } = useTranslation();
  const { models, artifacts, policy_sha256: policy } = verdict;
  return (
    <section className="kyc-section" aria-labelledby="kyc-evidence" data-testid="kyc-evidence">
      <h3 id="kyc-evidence">{t("kyc.evidence.title")}</h3>
      <dl className="digests">
        <Digests name={t("kyc.evidence.models")} list={models} />
        <Digests name={t("kyc.evidence.artifacts")} list={artifacts} />
        <Digests
          name={t("kyc.evidence.policy")}
          list={policy === "" ? [] : [{ name: "", sha256: policy }]}
        />
      </dl>
    </section>
  );
}

function Digests({ name, list }: { name: string; list: { name: string; sha256: string }[] }) {
  const { t } = useTranslation();
  return (
    <div>
      <dt>{name}</dt>
      {list.length === 0 && <dd className="muted">{t("kyc.evidence.none")}</dd>}
      {list.map((each) => (
        <dd key={each.name}>
          {each.name !== "" && <span>{each.name}</span>}
          <code className="digest">{each.sha256}</code>
        </dd>
      ))}
    </div>
  );
}
