/** Words for what the engine calls things: reasons, signals. What is new to a page keeps its name. */
import { useTranslation } from "../i18n";

export function useReasonWords(): (reason: string) => string | null {
  const { t, i18n } = useTranslation();
  return (reason) => (i18n.exists(`kyc.reason.${reason}`) ? t(`kyc.reason.${reason}`) : null);
}

/** `challenge.1.turn_left` is "Gesture 2: turn left"; `flash.gain` has a key of its own. */
export function useSignalWords(): (name: string) => string | null {
  const { t, i18n } = useTranslation();
  return (name) => {
    const [, index, kind] = /^challenge\.(\d+)\.(\w+)$/.exec(name) ?? [];
    if (index !== undefined && i18n.exists(`kyc.challenge.${kind}`)) {
      const what = t(`kyc.challenge.${kind}`);
      return t("kyc.signal.challenge", { number: Number(index) + 1, what });
    }
    const [, turn, side] = /^parallax\.(\d+)\.(depth|agreement)$/.exec(name) ?? [];
    if (turn !== undefined) {
      return t(`kyc.signal.parallax.${side === "depth" ? "depth" : "agreement"}`, {
        number: Number(turn) + 1,
      });
    }
    const key = `kyc.signal.named.${name.replaceAll(".", "_")}`;
    return i18n.exists(key) ? t(key) : null;
  };
}
