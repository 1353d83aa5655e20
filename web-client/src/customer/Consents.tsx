import { Button } from "antd-mobile";
import { useState } from "react";

import type { ConsentText, CustomerView } from "@vbranch/sdk";

import { useText, useTranslation } from "../i18n";
import { ProblemNotice } from "../ui/ProblemNotice";
import { ScrollText } from "../ui/ScrollText";
import { useAction } from "../ui/useAction";
import type { CustomerVisit } from "./CustomerVisit";

type Choice = boolean | null;

/** Two separate consents. Nothing is preselected; declining face processing is an equal way. */
export function Consents({ visit, view }: { visit: CustomerVisit; view: CustomerView }) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  const [recording, setRecording] = useState<Choice>(view.consents.recording);
  const [face, setFace] = useState<Choice>(view.consents.face);
  const texts = view.consents.texts;
  const ending = recording === false;
  const complete = recording !== null && (ending || face !== null);

  const submit = () =>
    run(() =>
      visit.command(() =>
        visit.api.consent({
          recording: recording === true,
          face: recording === true && face === true,
          text_version: texts[0]?.version ?? "",
        }),
      ),
    );

  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        if (complete) void submit();
      }}
    >
      <div>
        <h1>{t("customer.consents.title")}</h1>
        <p className="muted">{t("customer.consents.text")}</p>
      </div>
      <ConsentCard
        subject="recording"
        text={texts.find((each) => each.subject === "recording")}
        choice={recording}
        onChoose={setRecording}
        no={t("customer.consents.recordingNo")}
        noText={t("customer.consents.recordingNoText")}
      />
      <ConsentCard
        subject="face"
        text={texts.find((each) => each.subject === "face")}
        choice={face}
        onChoose={setFace}
        no={t("customer.consents.faceNo")}
        noText={t("customer.consents.faceNoText")}
      />
      <ProblemNotice problem={problem} />
      {!complete && <p className="muted centred">{t("customer.consents.missing")}</p>}
      <Button
        block
        type="submit"
        color={ending ? "danger" : "primary"}
        size="large"
        loading={busy}
        disabled={!complete || busy}
        data-testid="consents-submit"
      >
        {t(ending ? "customer.consents.submitEnd" : "customer.consents.submit")}
      </Button>
    </form>
  );
}

type CardProps = {
  subject: "recording" | "face";
  text: ConsentText | undefined;
  choice: Choice;
  onChoose: (choice: boolean) => void;
  no: string;
  noText: string;
};

function ConsentCard({ subject, text, choice, onChoose, no, noText }: CardProps) {
  const { t } = useTranslation();
  const pick = useText();
  const title = t(`customer.consents.${subject}`);
  const noteId = `consent-${subject}-note`;
  return (
    <fieldset className="card consent-card">
      <legend>{title}</legend>
      <ScrollText className="consent-text" label={title} testid={`consent-${subject}-text`}>
        {pick(text?.text)}
      </ScrollText>
      <p className="muted small">
        {t("customer.consents.version", { version: text?.version ?? "–" })}
      </p>
      <Option
        name={subject}
        testid={`consent-${subject}`}
        checked={choice === true}
        label={t("customer.consents.agree")}
        onPick={() => onChoose(true)}
      />
      <Option
        name={subject}
        testid={`consent-${subject}-decline`}
        checked={choice === false}
        label={no}
        noteId={noteId}
        onPick={() => onChoose(false)}
      />
      <p id={noteId} className={`option-note${choice === false ? " is-chosen" : ""}`}>
        {noText}
      </p>
    </fieldset>
  );
}

type OptionProps = {
  name: string;
  testid: string;
  checked: boolean;
  label: string;
  noteId?: string;
  onPick: () => void;
};

function Option({ name, testid, checked, label, noteId, onPick }: OptionProps) {
  return (
    <label className={`option${checked ? " is-chosen" : ""}`}>
      <input
        type="radio"
        name={name}
        checked={checked}
        onChange={onPick}
        data-testid={testid}
        aria-describedby={noteId}
      />
      <span>{label}</span>
    </label>
  );
}
