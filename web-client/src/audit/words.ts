/** Human words for what is on a recording's timeline. */
import type { TimelineEvent } from "@vbranch/sdk";

/** The part of i18next that is needed here. */
export type Words = {
  t: (key: string, values?: Record<string, unknown>) => string;
  exists: (key: string) => boolean;
};

export function eventWords({ t, exists }: Words, event: TimelineEvent): string {
  const text = (name: string) => (typeof event[name] === "string" ? event[name] : "");
  const known = (key: string, otherwise: string) => (exists(key) ? t(key) : otherwise);
  switch (event.type) {
    case "consent": {
      const subject = known(`audit.event.subject.${text("subject")}`, text("subject"));
      const given = event.granted === true;
      return t(given ? "audit.event.consent_granted" : "audit.event.consent_refused", { subject });
    }
    case "kyc_started":
      return t("audit.event.kyc_started", { attempt: event.attempt });
    case "kyc_verdict":
      return t(`audit.event.kyc_${verdictOf(event)}`);
    case "staff_joined":
      return t("audit.event.staff_joined");
    case "guest_joined":
      return t(`audit.event.guest_${text("seat") === "third_party" ? "publishes" : "watches"}`);
    case "guest_left":
      return t("audit.event.guest_left");
    case "supervision_began":
    case "supervision_changed":
      return t(`audit.event.${event.type}`, {
        how: known(`audit.event.supervision.${text("seat")}`, text("seat")),
      });
    case "supervision_ended":
      return t("audit.event.supervision_ended");
    case "muted":
      return t(event.muted === true ? "audit.event.muted" : "audit.event.unmuted", {
        what: known(`audit.event.mediaKind.${text("kind")}`, text("kind")),
      });
    case "step_opened":
      return t("audit.event.step_opened", { step: stepName(known, text("step")) });
    case "step_completed":
      return t("audit.event.step_completed", {
        step: stepName(known, text("step")),
        outcome: known(`outcome.${text("outcome")}`, text("outcome")),
      });
    case "connection_lost":
    case "connection_restored":
      return t(`audit.event.${event.type}`, {
        party: known(`audit.replay.${text("party")}`, text("party")),
      });
    case "alarm":
      return t("audit.event.alarm", { what: known(`staff.alarm.${text("code")}`, text("code")) });
    case "closed":
      return t("audit.event.closed", {
        outcome: known(`outcome.${text("outcome")}`, text("outcome")),
      });
    default:
      return t("audit.event.unknown", { type: event.type });
  }
}

function stepName(known: (key: string, otherwise: string) => string, step: string): string {
  return known(`audit.event.stepNames.${step}`, known(`step.kind.${step}`, step));
}

function verdictOf(event: TimelineEvent): "pass" | "fail" | "refer" {
  const verdict = event.verdict;
  const outcome =
    typeof verdict === "object" && verdict !== null && "outcome" in verdict
      ? verdict.outcome
      : null;
  return outcome === "pass" || outcome === "fail" ? outcome : "refer";
}
