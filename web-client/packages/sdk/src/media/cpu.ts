/** Tells when the machine is too slow to encode what it should send, and when no longer. */

type Watched = { isCpuLimited: () => Promise<boolean> };

/** The browser itself decides over several seconds; the server takes one report a second. */
const EVERY_MS = 2_000;

/** Watches whatever connection there is; returns how to stop, which takes back what was told. */
export function watchCpu(
  connection: () => Watched | null,
  onChange: (limited: boolean) => void,
): () => void {
  let told = false;
  let asking = false;
  let stopped = false;
  const ask = async () => {
    const now = connection();
    if (asking) return;
    asking = true;
    const limited = now === null ? false : await now.isCpuLimited().catch(() => false);
    asking = false;
    if (stopped || limited === told) return;
    told = limited;
    onChange(limited);
  };
  const timer = setInterval(() => void ask(), EVERY_MS);
  return () => {
    stopped = true;
    clearInterval(timer);
    if (told) onChange(false);
  };
}
