"""Compares the server's face readings with the same models run by onnxruntime and OpenCV.

usage: vbranch kyc analyze CLIP --fps FPS --json > readings.json     (FPS: the clip's own rate)
       compare_onnxruntime.py MODELS-DIR CARRIED-MODELS-DIR CLIP readings.json

Needs opencv-python-headless, onnxruntime and numpy. OpenCV detects on every frame at full size,
the server detects once a second at 320 pixels and follows the mesh in between; the differences
printed are therefore those of the whole pipeline, not of the arithmetic alone.
"""
import json
import sys

import cv2
import numpy as np
import onnxruntime as ort

# The 146 of 478 mesh points that the blendshape model takes (src/vision/mesh.rs has the same).
POINTS = [0,1,4,5,6,7,8,10,13,14,17,21,33,37,39,40,46,52,53,54,55,58,61,63,65,66,67,70,78,80,81,82,84,87,88,91,93,95,103,105,107,109,127,132,133,136,144,145,146,148,149,150,152,153,154,155,157,158,159,160,161,162,163,168,172,173,176,178,181,185,191,195,197,234,246,249,251,263,267,269,270,276,282,283,284,285,288,291,293,295,296,297,300,308,310,311,312,314,317,318,321,323,324,332,334,336,338,356,361,362,365,373,374,375,377,378,379,380,381,382,384,385,386,387,388,389,390,397,398,400,402,405,409,415,454,466,468,469,470,471,472,473,474,475,476,477]


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def read_face(detector, mesher, shaper, bgr):
    """(yaw, pitch, blink) of the largest face, or None."""
    detector.setInputSize((bgr.shape[1], bgr.shape[0]))
    _, faces = detector.detect(bgr)
    if faces is None:
        return None
    x, y, w, h, *points = max(faces, key=lambda f: f[2] * f[3])[:14]
    cx, cy, side = x + w / 2, y + h / 2, max(w, h) * 1.5
    angle = np.degrees(np.arctan2(points[3] - points[1], points[2] - points[0]))
    turn = cv2.getRotationMatrix2D((float(cx), float(cy)), float(angle), 256 / float(side))
    turn[:, 2] += [128 - cx, 128 - cy]
    crop = cv2.warpAffine(bgr, turn, (256, 256))[None, :, :, ::-1].astype(np.float32) / 255
    mesh = mesher.run(None, {mesher.get_inputs()[0].name: crop})[0].reshape(478, 3)
    chosen = np.ascontiguousarray(mesh[POINTS, :2][None])
    shapes = shaper.run(None, {shaper.get_inputs()[0].name: chosen})[0].ravel()
    across, down = mesh[454] - mesh[234], mesh[152] - mesh[10]
    yaw = np.degrees(np.arctan2(across[2], across[0]))
    pitch = -np.degrees(np.arctan2(down[2], down[1]))
    return yaw, pitch, (shapes[9] + shapes[10]) / 2


def main():
    fetched, carried, clip, readings = sys.argv[1:5]
    model = f"{fetched}/face_detection_yunet_2023mar.onnx"
    detector = cv2.FaceDetectorYN.create(model, "", (320, 320), 0.6, 0.3, 50)
    mesher = session(f"{carried}/face_landmarks.onnx")
    shaper = session(f"{carried}/face_blendshapes.onnx")
    capture, differences, missed = cv2.VideoCapture(clip), [], 0
    for frame in json.load(open(readings)):
        ours = frame["face"]
        ok, bgr = capture.read()
        if not ok:
            break
        theirs = read_face(detector, mesher, shaper, bgr)
        if (ours is None) != (theirs is None):
            missed += 1
        elif ours is not None:
            differences.append(np.subtract((ours["yaw"], ours["pitch"], ours["blink"]), theirs))
    differences = np.abs(differences)
    print(f"{len(differences)} frames, {missed} with a face in one pipeline only")
    for name, column in zip(("yaw (degrees)", "pitch (degrees)", "blink"), differences.T):
        print(f"{name}: median {np.median(column):.3f}, 95 % {np.quantile(column, .95):.3f}, most {column.max():.3f}")


if __name__ == "__main__":
    main()
