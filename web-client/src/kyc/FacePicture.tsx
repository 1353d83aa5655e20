import { useState } from "react";

import type { KycTrace } from "@vbranch/sdk";

import { useTranslation } from "../i18n";

type Props = { url: string; landmarks: KycTrace["landmarks"] };

/** The picture that the verdict rests on, with the points of the face that were measured in it. */
export function FacePicture({ url, landmarks }: Props) {
  const { t } = useTranslation();
  const [shown, setShown] = useState(true);
  const [size, setSize] = useState<{ width: number; height: number } | null>(null);
  const points = landmarks?.points ?? [];
  const within = landmarks ?? size;
  return (
    <figure className="face-picture">
      <div
        className="face-frame"
        style={within === null ? {} : { aspectRatio: `${within.width} / ${within.height}` }}
      >
        <img
          src={url}
          alt={t("kyc.picture.alt")}
          data-testid="kyc-picture"
          onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
            setSize({ width: naturalWidth, height: naturalHeight })
          }
        />
        {landmarks !== null && shown && (
          <svg
            className="face-points"
            viewBox={`0 0 ${landmarks.width} ${landmarks.height}`}
            role="img"
            aria-label={t("kyc.picture.points", { count: points.length })}
            data-testid="kyc-landmarks"
            data-points={points.length}
          >
            <path
              className="face-point"
              strokeWidth={Math.max(1, landmarks.width / 220)}
              d={dots(points.slice(0, MESH))}
            />
            <path
              className="face-point is-iris"
              strokeWidth={Math.max(1, landmarks.width / 160)}
              d={dots(points.slice(MESH))}
            />
          </svg>
        )}
      </div>
      {points.length > 0 && (
        <button
          type="button"
          className="plain-button"
          aria-pressed={shown}
          data-testid="kyc-landmarks-toggle"
          onClick={() => setShown(!shown)}
        >
          {t(shown ? "kyc.picture.hide" : "kyc.picture.show")}
        </button>
      )}
    </figure>
  );
}

/** The first of the 478 points are the face's mesh, the others the irises. */
const MESH = 468;

/** One path of round dots: a line of no length with round ends. */
function dots(points: readonly [number, number][]): string {
  return points.map(([x, y]) => `M${x.toFixed(1)} ${y.toFixed(1)}h0`).join("");
}
