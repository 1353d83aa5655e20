import { Button, Tag } from "antd";

import type { CallParticipant, CallView, MediaKind, WatchAlarm, Watched } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { watchedOf } from "../kyc/WatchBadge";
import { ProblemNotice } from "../ui/ProblemNotice";
import { useAction } from "../ui/useAction";
import { nameKey } from "./people";
import { QualityBars, useQualityWords } from "./QualityBars";

type Props = {
  call: CallView;
  watch: Watched[];
  /** Keeps what somebody sends from the others; absent where one may not. */
  onMute?: (participant: string, kind: MediaKind, muted: boolean) => Promise<unknown>;
};

/** Everybody in the call: how good their connection is and why, and who is kept silent. */
export function PeoplePanel({ call, watch, onMute }: Props) {
  const { t } = useTranslation();
  const { busy, problem, run } = useAction();
  return (
    <section className="card panel" aria-labelledby="people-title" data-testid="people">
      <h2 id="people-title">{t("call.people")}</h2>
      <ul className="people">
        {call.participants.map((person) => (
          <Row
            key={person.participant}
            person={person}
            me={person.participant === call.me}
            speaking={person.participant === call.speaker}
            alarms={watchedOf(watch, person.participant)}
            kinds={mutable(call, person)}
            busy={busy}
            onMute={
              onMute && ((kind, muted) => void run(() => onMute(person.participant, kind, muted)))
            }
          />
        ))}
      </ul>
      <ProblemNotice problem={problem} />
    </section>
  );
}

type RowProps = {
  person: CallParticipant;
  me: boolean;
  speaking: boolean;
  /** Of the watch over their face; null where it is not watched. */
  alarms: WatchAlarm[] | null;
  /** What can be kept from the others. */
  kinds: MediaKind[];
  busy: boolean;
  onMute: ((kind: MediaKind, muted: boolean) => void) | undefined;
};

function Row({ person, me, speaking, alarms, kinds, busy, onMute }: RowProps) {
  const { t } = useTranslation();
  const words = useQualityWords();
  const name = t(nameKey(person));
  const may = !me && !person.seat.startsWith("supervisor");
  return (
    <li
      className="people-row"
      data-testid="person"
      data-participant={person.participant}
      data-seat={person.seat}
      data-guest={person.guest}
      data-connected={person.connected}
      data-speaking={speaking}
    >
      <div className="people-who">
        <strong>
          {name}
          {me && ` ${t("call.me")}`}
        </strong>
        {!person.connected && <Tag>{t("staff.call.disconnected")}</Tag>}
        {speaking && <Tag color="processing">{t("call.speaks")}</Tag>}
        <WatchTags alarms={alarms} />
      </div>
      {person.connected && (
        <p className="people-quality small muted">
          <QualityBars quality={person.quality} />
          <span aria-hidden="true">{words(person.quality)}</span>
        </p>
      )}
      {may && onMute && (
        <div className="people-mutes" role="group" aria-label={name}>
          {kinds.map((kind) => {
            const muted = person.muted.includes(kind);
            return (
              <Button
                key={kind}
                size="middle"
                danger={muted}
                disabled={busy}
                aria-pressed={muted}
                data-testid={`mute-${kind}`}
                data-muted={muted}
                onClick={() => onMute(kind, !muted)}
              >
                {t(`call.${muted ? "unmute" : "mute"}.${kind}`)}
              </Button>
            );
          })}
        </div>
      )}
    </li>
  );
}

function WatchTags({ alarms }: { alarms: WatchAlarm[] | null }) {
  const { t } = useTranslation();
  if (alarms === null) return null;
  if (alarms.length === 0) return <Tag data-testid="person-watch">{t("kyc.watch.well")}</Tag>;
  return alarms.map((alarm) => (
    <Tag key={alarm} color="error" data-testid="person-watch" data-alarm={alarm}>
      {t(`kyc.watch.${alarm}`)}
    </Tag>
  ));
}

/** Microphone and camera always, a screen while there is one. */
function mutable(call: CallView, person: CallParticipant): MediaKind[] {
  const shares = call.slots.some(
    (slot) => slot.kind === "screen" && slot.from === person.participant,
  );
  const screen = shares || person.muted.includes("screen");
  return screen ? ["audio", "video", "screen"] : ["audio", "video"];
}
