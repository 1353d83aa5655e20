/** Tells when this device's way to the network changed: from Wi-Fi to mobile, or back online. */

type Source = Pick<EventTarget, "addEventListener" | "removeEventListener">;

/** A change comes with several events at once; they count as one. */
const SETTLE_MS = 250;

export function watchNetwork(onChange: () => void): () => void {
  const { navigator } = globalThis as { navigator?: { connection?: Source } };
  // Chromium's Network Information API; elsewhere `online` has to do.
  const link = navigator?.connection;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let way = wayOf(link);
  const soon = () => {
    clearTimeout(timer);
    timer = setTimeout(onChange, SETTLE_MS);
  };
  const changed = () => {
    // It also tells of every new estimate of speed, which is no change of network.
    const now = wayOf(link);
    if (now === way) return;
    way = now;
    soon();
  };
  globalThis.addEventListener("online", soon);
  link?.addEventListener("change", changed);
  return () => {
    clearTimeout(timer);
    globalThis.removeEventListener("online", soon);
    link?.removeEventListener("change", changed);
  };
}

function wayOf(link: Source | undefined): unknown {
  return link !== undefined && "type" in link ? link.type : undefined;
}
