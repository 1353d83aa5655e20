import { useEffect, useRef, type PointerEvent } from "react";

import { useTranslation } from "../../i18n";
import { draw, type Point, type Stroke } from "./strokes";

type Props = {
  strokes: Stroke[];
  onStrokes: (change: (strokes: Stroke[]) => Stroke[]) => void;
  canvasRef: React.RefObject<HTMLCanvasElement | null>;
};

/** Takes finger, pen and mouse alike. The strokes belong to the parent; this only draws them. */
export function SignaturePad({ strokes, onStrokes, canvasRef }: Props) {
  const { t } = useTranslation();
  const drawing = useRef<number | null>(null);

  useEffect(() => {
    const canvas = canvasRef.current;
    if (canvas === null) return;
    const render = () => {
      const scale = devicePixelRatio;
      canvas.width = Math.round(canvas.clientWidth * scale);
      canvas.height = Math.round(canvas.clientHeight * scale);
      draw(canvas, strokes, scale);
    };
    render();
    const observer = new ResizeObserver(render);
    observer.observe(canvas);
    return () => observer.disconnect();
  }, [strokes, canvasRef]);

  const down = (event: PointerEvent<HTMLCanvasElement>) => {
    if (drawing.current !== null || event.button !== 0) return;
    drawing.current = event.pointerId;
    event.currentTarget.setPointerCapture(event.pointerId);
    const points = pointsOf(event);
    onStrokes((before) => [...before, points]);
  };
  const move = (event: PointerEvent<HTMLCanvasElement>) => {
    if (drawing.current !== event.pointerId) return;
    const points = pointsOf(event);
    onStrokes((before) => [...before.slice(0, -1), [...(before.at(-1) ?? []), ...points]]);
  };
  const up = (event: PointerEvent<HTMLCanvasElement>) => {
    if (drawing.current === event.pointerId) drawing.current = null;
  };

  return (
    <canvas
      ref={canvasRef}
      className="signature-pad"
      data-testid="signature-pad"
      data-strokes={strokes.length}
      role="img"
      aria-label={t("customer.call.signaturePad")}
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
    />
  );
}

/** Browsers fold quick movements into one event; the folded points keep curves round. */
function pointsOf(event: PointerEvent<HTMLCanvasElement>): Point[] {
  const box = event.currentTarget.getBoundingClientRect();
  const native = event.nativeEvent;
  const folded = "getCoalescedEvents" in native ? native.getCoalescedEvents() : [];
  const events = folded.length > 0 ? folded : [native];
  return events.map((each) => ({ x: each.clientX - box.left, y: each.clientY - box.top }));
}
