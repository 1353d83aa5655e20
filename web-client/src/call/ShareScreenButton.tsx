import { canShareScreen } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import type { CallMedia, CallMediaState } from "../media/CallMedia";
import { ScreenIcon } from "../ui/icons";
import { useAction } from "../ui/useAction";

/** Not there on phones, which cannot share their screen. */
export function ShareScreenButton({ media, state }: { media: CallMedia; state: CallMediaState }) {
  const { t } = useTranslation();
  const { busy, run } = useAction();
  if (!canShareScreen() || state.session === null) return null;
  const sharing = state.session.screen !== null;
  const label = t(sharing ? "call.stopSharing" : "call.share");
  return (
    <button
      type="button"
      className={`round-button${sharing ? " is-sharing" : ""}`}
      data-testid="share-screen"
      data-on={sharing}
      aria-label={label}
      aria-pressed={sharing}
      title={label}
      disabled={busy}
      onClick={() => (sharing ? media.stopSharing() : void run(() => media.share()))}
    >
      <ScreenIcon />
    </button>
  );
}
