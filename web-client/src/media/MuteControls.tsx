import { useTranslation } from "../i18n";
import { CameraIcon, MicIcon } from "../ui/icons";
import type { CallMedia, CallMediaState } from "./CallMedia";

type Props = {
  media: CallMedia;
  state: CallMediaState;
  stepOpen: boolean;
  /** False where only a voice is sent. */
  camera?: boolean;
};

/** A recorded step needs both sides seen and heard, so muting is for the time between steps. */
export function MuteControls({ media, state, stepOpen, camera: sendsPicture = true }: Props) {
  const { t } = useTranslation();
  const { session } = state;
  if (session === null) return null;
  const { microphone, camera } = session;
  return (
    <>
      <Toggle
        testid="toggle-mic"
        on={microphone}
        locked={stepOpen && microphone}
        label={t(microphone ? "media.micOn" : "media.micOff")}
        reason={t("media.muteLocked")}
        icon={<MicIcon off={!microphone} />}
        onToggle={() => media.setMicrophone(!microphone)}
      />
      {sendsPicture && (
        <Toggle
          testid="toggle-cam"
          on={camera}
          locked={stepOpen && camera}
          label={t(camera ? "media.camOn" : "media.camOff")}
          reason={t("media.muteLocked")}
          icon={<CameraIcon off={!camera} />}
          onToggle={() => media.setCamera(!camera)}
        />
      )}
    </>
  );
}

/** True where a step is open but the person cannot be heard or seen. */
export function needsUnmute(state: CallMediaState): boolean {
  return state.session !== null && !(state.session.microphone && state.session.camera);
}

type ToggleProps = {
  testid: string;
  on: boolean;
  locked: boolean;
  label: string;
  reason: string;
  icon: React.ReactNode;
  onToggle: () => void;
};

function Toggle({ testid, on, locked, label, reason, icon, onToggle }: ToggleProps) {
  return (
    <button
      type="button"
      className={`round-button${on ? "" : " is-off"}`}
      data-testid={testid}
      data-on={on}
      aria-label={locked ? `${label}. ${reason}` : label}
      title={locked ? reason : label}
      aria-disabled={locked}
      onClick={locked ? undefined : onToggle}
    >
      {icon}
    </button>
  );
}
