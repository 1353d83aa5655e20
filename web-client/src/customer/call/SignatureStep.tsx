import { Button } from "antd-mobile";
import { useRef, useState } from "react";

import { MAX_PICTURE_BYTES, Problem, asProblem } from "@vbranch/sdk";

import { useTranslation } from "../../i18n";
import { canvasPng, toBase64 } from "../../media/png";
import { ProblemNotice } from "../../ui/ProblemNotice";
import { SignaturePad } from "./SignaturePad";
import { draw, isSignature, type Stroke } from "./strokes";

type Props = { busy: boolean; blocked: boolean; onSign: (imagePng: string) => void };

export function SignatureStep({ busy, blocked, onSign }: Props) {
  const { t } = useTranslation();
  const [strokes, setStrokes] = useState<Stroke[]>([]);
  const [problem, setProblem] = useState<Problem | null>(null);
  const pad = useRef<HTMLCanvasElement | null>(null);

  const submit = async () => {
    if (pad.current === null) return;
    try {
      onSign(await exported(pad.current, strokes));
      setProblem(null);
    } catch (thrown) {
      setProblem(asProblem(thrown));
    }
  };

  return (
    <div className="signature">
      <p>{t("customer.call.signature")}</p>
      <SignaturePad strokes={strokes} onStrokes={setStrokes} canvasRef={pad} />
      <ProblemNotice problem={problem} />
      <div className="button-row">
        <Button
          disabled={strokes.length === 0 || busy}
          data-testid="signature-undo"
          onClick={() => setStrokes(strokes.slice(0, -1))}
        >
          {t("customer.call.undo")}
        </Button>
        <Button
          disabled={strokes.length === 0 || busy}
          data-testid="signature-clear"
          onClick={() => setStrokes([])}
        >
          {t("customer.call.clear")}
        </Button>
      </div>
      <Button
        block
        color="primary"
        size="large"
        loading={busy}
        loadingText={t("customer.call.sending")}
        disabled={!isSignature(strokes) || busy || blocked}
        data-testid="signature-submit"
        onClick={() => void submit()}
      >
        {t("customer.call.sign")}
      </Button>
    </div>
  );
}

/** Drawn anew at twice the screen's size or more: a signature is evidence and may be printed. */
async function exported(pad: HTMLCanvasElement, strokes: Stroke[]): Promise<string> {
  for (const scale of [Math.max(2, devicePixelRatio), 1]) {
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(pad.clientWidth * scale);
    canvas.height = Math.round(pad.clientHeight * scale);
    draw(canvas, strokes, scale, "#ffffff");
    const png = await canvasPng(canvas);
    if (png.size <= MAX_PICTURE_BYTES) return toBase64(png);
  }
  throw new Problem("picture_too_large", 0, "the signature does not fit");
}
