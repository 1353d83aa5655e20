import { useTranslation } from "../i18n";
import { VideoView } from "../media/VideoView";

type Props = { stream: MediaStream; name: string };

/** Somebody's screen: whole, never cropped. */
export function SharedScreen({ stream, name }: Props) {
  const { t } = useTranslation();
  const label = t("call.screenOf", { name });
  return (
    <div className="shared-screen" data-testid="shared-screen">
      <VideoView stream={stream} testid="screen-video" label={label} own mirrored={false} />
      <p className="shared-screen-name">{label}</p>
    </div>
  );
}
