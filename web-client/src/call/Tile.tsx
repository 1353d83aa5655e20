import type { ReactNode } from "react";

import { useTranslation } from "../i18n";
import { VideoView } from "../media/VideoView";
import { MicIcon, PersonIcon } from "../ui/icons";
import { QualityBars } from "./QualityBars";
import type { Person } from "./people";

type Props = {
  person: Person;
  name: string;
  quality?: boolean;
  /** Laid over the picture. */
  children?: ReactNode;
};

/** Somebody else in the call, small: picture or a figure, name, whether they speak. */
export function Tile({ person, name, quality = false, children }: Props) {
  const { t } = useTranslation();
  const { remote, seat, speaking, muted } = person;
  const whispering = seat === "supervisor_whispering";
  return (
    <figure
      className={`tile${speaking ? " is-speaking" : ""}`}
      data-testid="tile"
      data-participant={person.participant}
      data-seat={seat}
      data-speaking={speaking}
    >
      <VideoView
        stream={remote?.stream ?? null}
        testid={`tile-video-${seat}`}
        label={t("call.pictureOf", { name })}
        figure={<PersonIcon />}
      />
      {children}
      <figcaption>
        {muted.includes("audio") && <MicIcon off />}
        <span className="tile-name">{name}</span>
        {whispering && <span className="tile-note">{t("call.onlyYouHear")}</span>}
        {quality && <QualityBars quality={person.quality} />}
      </figcaption>
    </figure>
  );
}
