import { useLayoutEffect, useRef } from "react";

import type { Flash } from "@vbranch/sdk";

import { useTranslation } from "../i18n";
import { useStore } from "../store";
import { inkOn, type FlashScreen } from "./flash";

/** The whole screen in one colour, for as long as the server says so. */
export function FlashOverlay({ screen }: { screen: FlashScreen }) {
  const flash = useStore(screen.state);
  return flash === null ? null : <Filled flash={flash} onStop={() => screen.stop()} />;
}

/**
 * A modal dialog lies in the browser's top layer: nothing of the page can be above it or tint it,
 * and nothing below can be reached by keys. Store and effects run before the next frame is drawn.
 */
function Filled({ flash, onStop }: { flash: Flash; onStop: () => void }) {
  const { t } = useTranslation();
  const dialog = useRef<HTMLDialogElement | null>(null);
  const { colour } = flash;

  useLayoutEffect(() => {
    const element = dialog.current;
    element?.showModal();
    // Not the button within: a key pressed by chance must not stop anything.
    element?.focus();
    return () => element?.close();
  }, []);
  useLayoutEffect(() => tintBrowser(colour), [colour]);

  return (
    <dialog
      ref={dialog}
      className="flash"
      tabIndex={-1}
      style={{ backgroundColor: colour, color: inkOn(colour) }}
      aria-label={t("customer.liveness.flash.spoken")}
      data-testid="liveness-flash"
      data-colour={colour}
      data-index={flash.index}
      onCancel={onStop}
    >
      <p className="flash-hint">{t("customer.liveness.flash.hint")}</p>
      <button type="button" className="flash-stop" data-testid="flash-stop" onClick={onStop}>
        {t("customer.liveness.flash.stop")}
      </button>
    </dialog>
  );
}

/** The browser's own bars, and what shows beyond the page when it is pulled. Gives the way back. */
function tintBrowser(colour: string): () => void {
  const bar = document.querySelector<HTMLMetaElement>('meta[name="theme-color"]');
  const { style } = document.documentElement;
  const before = bar?.content ?? "";
  style.backgroundColor = colour;
  if (bar !== null) bar.content = colour;
  return () => {
    style.backgroundColor = "";
    if (bar !== null) bar.content = before;
  };
}
