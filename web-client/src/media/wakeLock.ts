/** A phone that goes dark loses its camera: keeps the screen on while somebody waits or talks. */
import { useEffect } from "react";

export function useWakeLock(wanted: boolean): void {
  useEffect(() => {
    if (!wanted || !("wakeLock" in navigator)) return;
    let lock: WakeLockSentinel | null = null;
    let over = false;
    const take = async () => {
      if (document.visibilityState !== "visible") return;
      try {
        const taken = await navigator.wakeLock.request("screen");
        if (over) await taken.release();
        else lock = taken;
      } catch {
        // Refused on a low battery, for instance: the visit goes on without it.
      }
    };
    const shown = () => void take();
    void take();
    // The browser lets go of the lock whenever the page is hidden.
    document.addEventListener("visibilitychange", shown);
    return () => {
      over = true;
      document.removeEventListener("visibilitychange", shown);
      void lock?.release();
    };
  }, [wanted]);
}
