import type { Quality } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

/** Five bars and, for those who cannot see them or want to know why, words. */
export function QualityBars({ quality }: { quality: Quality | null }) {
  const words = useQualityWords();
  const score = quality === null ? null : bars(quality);
  return (
    <span
      className="quality"
      role="img"
      data-testid="quality"
      data-score={score ?? ""}
      data-cause={quality?.cause ?? ""}
      aria-label={words(quality)}
      title={words(quality)}
    >
      {[1, 2, 3, 4, 5].map((bar) => (
        <span key={bar} className={score !== null && bar <= score ? "is-on" : ""} />
      ))}
    </span>
  );
}

export function bars(quality: Quality): number {
  return Math.min(5, Math.max(0, Math.round(quality.score)));
}

/** "Poor: packets are lost on the way". */
export function useQualityWords(): (quality: Quality | null) => string {
  const { t } = useTranslation();
  return (quality) => {
    if (quality === null) return t("call.quality.unknown");
    const score = t(`call.quality.score.${bars(quality)}`);
    // With all bars there is nothing to explain.
    if (quality.cause === null || bars(quality) === 5) return score;
    return t("call.quality.because", { score, cause: t(`call.quality.cause.${quality.cause}`) });
  };
}
