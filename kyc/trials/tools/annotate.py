"""Reads what the faces in test films do, with OpenCV's detector and onnxruntime: a pipeline of its
own, so that what the server sees can be held against something that shares no code with it.

usage: annotate.py MODELS-DIR CARRIED-MODELS-DIR OUT-DIR FILM-OR-PICTURE…

Needs opencv-python-headless, onnxruntime and numpy. Writes OUT-DIR/NAME.json for every film:
{"film", "width", "height", "fps", "frames": [{"box", "presence", "blink", "mouth", "smile", "yaw",
"pitch", "mesh": [x, y, z × 478, in picture pixels]} | null]}. These files describe faces: they stay
beside the films and are never committed.
"""
import json
import os
import sys

import cv2
import numpy as np
import onnxruntime as ort

# The 146 of 478 mesh points that the blendshape model takes (src/vision/mesh.rs has the same).
POINTS = [0,1,4,5,6,7,8,10,13,14,17,21,33,37,39,40,46,52,53,54,55,58,61,63,65,66,67,70,78,80,81,82,84,87,88,91,93,95,103,105,107,109,127,132,133,136,144,145,146,148,149,150,152,153,154,155,157,158,159,160,161,162,163,168,172,173,176,178,181,185,191,195,197,234,246,249,251,263,267,269,270,276,282,283,284,285,288,291,293,295,296,297,300,308,310,311,312,314,317,318,321,323,324,332,334,336,338,356,361,362,365,373,374,375,377,378,379,380,381,382,384,385,386,387,388,389,390,397,398,400,402,405,409,415,454,466,468,469,470,471,472,473,474,475,476,477]


def session(path):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


class Reader:
    def __init__(self, fetched, carried):
        model = f"{fetched}/face_detection_yunet_2023mar.onnx"
        self.detector = cv2.FaceDetectorYN.create(model, "", (320, 320), 0.6, 0.3, 50)
        self.mesher = session(f"{carried}/face_landmarks.onnx")
        self.shaper = session(f"{carried}/face_blendshapes.onnx")

    def read(self, bgr):
        height, width = bgr.shape[:2]
        scale = min(1.0, 640 / max(width, height))
        small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self.detector.detect(small)
        if faces is None:
            return None
        x, y, w, h, *points = max(faces, key=lambda f: f[2] * f[3])[:14] / scale
        cx, cy, side = x + w / 2, y + h / 2, max(w, h) * 1.5
        angle = np.degrees(np.arctan2(points[3] - points[1], points[2] - points[0]))
        turn = cv2.getRotationMatrix2D((float(cx), float(cy)), float(angle), 256 / float(side))
        turn[:, 2] += [128 - cx, 128 - cy]
        crop = cv2.warpAffine(bgr, turn, (256, 256))[None, :, :, ::-1].astype(np.float32) / 255
        outputs = self.mesher.run(None, {self.mesher.get_inputs()[0].name: crop})
        mesh = outputs[0].reshape(478, 3)
        presence = 1 / (1 + np.exp(-float(outputs[1].ravel()[0])))
        chosen = np.ascontiguousarray(mesh[POINTS, :2][None])
        shapes = self.shaper.run(None, {self.shaper.get_inputs()[0].name: chosen})[0].ravel()
        across, down = mesh[454] - mesh[234], mesh[152] - mesh[10]
        back = cv2.invertAffineTransform(turn)
        flat = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        depth = mesh[:, 2:3] * (float(side) / 256)
        return {
            "box": [round(float(v), 1) for v in (x, y, w, h)],
            "presence": round(presence, 4),
            "blink": round(float(shapes[9] + shapes[10]) / 2, 4),
            "mouth": round(float(shapes[25]), 4),
            "smile": round(float(shapes[44] + shapes[45]) / 2, 4),
            "yaw": round(float(np.degrees(np.arctan2(across[2], across[0]))), 2),
            "pitch": round(-float(np.degrees(np.arctan2(down[2], down[1]))), 2),
            "mesh": [round(float(v), 1) for v in np.hstack([flat, depth]).ravel()],
        }


def main():
    fetched, carried, out = sys.argv[1:4]
    reader = Reader(fetched, carried)
    os.makedirs(out, exist_ok=True)
    for film in sys.argv[4:]:
        capture, frames = cv2.VideoCapture(film), []
        fps = capture.get(cv2.CAP_PROP_FPS)
        while True:
            ok, bgr = capture.read()
            if not ok:
                break
            size = bgr.shape[1], bgr.shape[0]
            frames.append(reader.read(bgr))
        name = os.path.splitext(os.path.basename(film))[0]
        with open(f"{out}/{name}.json", "w") as file:
            json.dump({"film": os.path.basename(film), "width": size[0], "height": size[1],
                       "fps": fps, "frames": frames}, file)
        print(f"{film}: {len(frames)} frames, {sum(f is None for f in frames)} without a face")


if __name__ == "__main__":
    main()
