import { useCallback, useEffect, useRef, useState, type ReactNode } from "react";

import { useTranslation } from "../i18n";

type Props = {
  stream: MediaStream | null;
  label: string;
  testid: string;
  /** Own picture: silent, and shown as in a mirror unless told otherwise. */
  own?: boolean;
  mirrored?: boolean;
  className?: string;
  /** Shown where there is no picture. */
  figure?: ReactNode;
  /** Hands out the element, for taking stills. */
  onElement?: (element: HTMLVideoElement | null) => void;
};

/** A live picture. Browsers may refuse to play sound unasked: then a tap starts it. */
export function VideoView(props: Props) {
  const {
    stream,
    label,
    testid,
    own = false,
    mirrored = own,
    className,
    onElement,
    figure,
  } = props;
  const { t } = useTranslation();
  const video = useRef<HTMLVideoElement | null>(null);
  const [blocked, setBlocked] = useState(false);

  useEffect(() => {
    const element = video.current;
    if (element === null) return;
    element.srcObject = stream;
    if (stream === null) return;
    element.play().then(
      () => setBlocked(false),
      (thrown: unknown) => setBlocked(thrown instanceof Error && thrown.name === "NotAllowedError"),
    );
  }, [stream]);

  const attach = useCallback(
    (element: HTMLVideoElement | null) => {
      video.current = element;
      onElement?.(element);
    },
    [onElement],
  );
  const start = () => void video.current?.play().then(() => setBlocked(false));

  return (
    <div className={["video-view", mirrored ? "mirrored" : "", className ?? ""].join(" ")}>
      {figure !== undefined && <span className="video-figure">{figure}</span>}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption -- a live call has no captions */}
      <video
        ref={attach}
        data-testid={testid}
        aria-label={label}
        autoPlay
        playsInline
        muted={own}
      />
      {blocked && !own && (
        <button type="button" className="video-unblock" data-testid="unblock-audio" onClick={start}>
          {t("media.tapToHear")}
        </button>
      )}
    </div>
  );
}
