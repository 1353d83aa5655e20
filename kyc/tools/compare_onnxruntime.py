"""Compares what the server's models see with the same models run by onnxruntime and OpenCV.

usage: cargo build --release -p vbranch-kyc --example agreement
       compare_onnxruntime.py target/release/examples/agreement MODELS-DIR FILM-OR-PICTURE... \\
         > docs/benchmarks/kyc-agreement.md

Needs opencv-python-headless, onnxruntime and numpy. MODELS-DIR is the server's models folder
(`vbranch kyc models fetch`). Every tenth picture of a film is taken.

Both see the same pixels. The detectors are compared as they are used: OpenCV at full size, the
server at 320 pixels. Mesh, blendshapes and embedding are compared on the same window and the same
five points, those of the server, so that the differences are those of cropping and arithmetic.
"""
import json
import pathlib
import subprocess
import sys

import cv2
import numpy as np
import onnxruntime as ort

ROOT = pathlib.Path(__file__).resolve().parents[2]
CARRIED = ROOT / "kyc" / "models"
# The 146 of 478 mesh points that the blendshape model takes (src/vision/mesh.rs has the same).
POINTS = [0,1,4,5,6,7,8,10,13,14,17,21,33,37,39,40,46,52,53,54,55,58,61,63,65,66,67,70,78,80,81,82,84,87,88,91,93,95,103,105,107,109,127,132,133,136,144,145,146,148,149,150,152,153,154,155,157,158,159,160,161,162,163,168,172,173,176,178,181,185,191,195,197,234,246,249,251,263,267,269,270,276,282,283,284,285,288,291,293,295,296,297,300,308,310,311,312,314,317,318,321,323,324,332,334,336,338,356,361,362,365,373,374,375,377,378,379,380,381,382,384,385,386,387,388,389,390,397,398,400,402,405,409,415,454,466,468,469,470,471,472,473,474,475,476,477]
# Where SFace wants the five points in its 112x112 input.
TEMPLATE = np.float64([[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]])


def session(path):
    options = ort.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def run(model, data):
    return model.run(None, {model.get_inputs()[0].name: np.ascontiguousarray(data, np.float32)})


def umeyama(points):
    """The similarity from the points to the template with the least squared error, 2x3."""
    p, t = points - points.mean(0), TEMPLATE - TEMPLATE.mean(0)
    spread = (p ** 2).sum()
    cos, sin = (p * t).sum() / spread, (p[:, 0] * t[:, 1] - p[:, 1] * t[:, 0]).sum() / spread
    turn = np.array([[cos, -sin], [sin, cos]])
    return np.hstack([turn, (TEMPLATE.mean(0) - turn @ points.mean(0))[:, None]])


class Reference:
    def __init__(self, models):
        yunet = str(models / "face_detection_yunet_2023mar.onnx")
        self.detector = cv2.FaceDetectorYN.create(yunet, "", (320, 320), 0.6, 0.3, 50)
        self.mesher = session(CARRIED / "face_landmarks.onnx")
        self.shaper = session(CARRIED / "face_blendshapes.onnx")
        self.embedder = session(models / "face_recognition_sface_2021dec.onnx")

    def detect(self, bgr):
        self.detector.setInputSize((bgr.shape[1], bgr.shape[0]))
        _, faces = self.detector.detect(bgr)
        return None if faces is None else max(faces, key=lambda f: f[2] * f[3])

    def mesh(self, bgr, window):
        """Points in picture pixels, presence, blendshapes, yaw and pitch of the face in the window."""
        x, y, side, angle = window
        turn = cv2.getRotationMatrix2D((x, y), float(np.degrees(angle)), 256 / side)
        turn[:, 2] += [128 - x, 128 - y]
        crop = cv2.warpAffine(bgr, turn, (256, 256))[None, :, :, ::-1].astype(np.float32) / 255
        outputs = run(self.mesher, crop)
        mesh = outputs[0].reshape(478, 3)
        shapes = run(self.shaper, mesh[POINTS, :2][None])[0].ravel()
        across, down = mesh[454] - mesh[234], mesh[152] - mesh[10]
        yaw = np.degrees(np.arctan2(across[2], across[0]))
        pitch = -np.degrees(np.arctan2(down[2], down[1]))
        back = cv2.invertAffineTransform(turn)
        points = mesh[:, :2] @ back[:, :2].T + back[:, 2]
        presence = 1 / (1 + np.exp(-float(outputs[1].ravel()[0])))
        return points, presence, shapes, yaw, pitch

    def embed(self, bgr, points):
        crop = cv2.warpAffine(bgr, umeyama(np.float64(points)), (112, 112))
        return run(self.embedder, crop[:, :, ::-1].transpose(2, 0, 1)[None])[0].ravel()


def pictures(path):
    capture, index = cv2.VideoCapture(path), 0
    while True:
        ok, bgr = capture.read()
        if not ok:
            return
        if index % 10 == 0:
            yield bgr
        index += 1


def compare(reference, ours, path):
    """One dictionary of differences for each picture with a face in both."""
    rows, counts = [], [0, 0, 0]
    for bgr in pictures(path):
        counts[0] += 1
        height, width = bgr.shape[:2]
        ours.stdin.write(f"{width} {height}\n".encode() + bgr[:, :, ::-1].tobytes())
        ours.stdin.flush()
        seen, found = json.loads(ours.stdout.readline()), reference.detect(bgr)
        if (seen is None) != (found is None):
            counts[1] += 1
        if seen is None:
            continue
        embedding = reference.embed(bgr, seen["points"])
        ours.stdin.write(json.dumps(embedding.tolist()).encode() + b"\n")
        ours.stdin.flush()
        cosine, from_mesh = map(float, ours.stdout.readline().split())
        points, presence, shapes, yaw, pitch = reference.mesh(bgr, seen["window"])
        off = np.linalg.norm(np.array(seen["mesh"])[:, :2] - points, axis=1)
        row = {
            "landmarks": off.max(), "presence": abs(seen["presence"] - presence),
            "shapes": np.abs(np.array(seen["shapes"]) - shapes).max(),
            "yaw": abs(seen["yaw"] - yaw), "pitch": abs(seen["pitch"] - pitch),
            "cosine": cosine, "from_mesh": from_mesh,
        }
        if found is not None:
            gap = np.linalg.norm(np.array(seen["points"]) - found[4:14].reshape(5, 2), axis=1)
            row["points"] = gap.max() / seen["box"][2]
            if row["points"] > 1:  # of several faces of one size, each may take another
                counts[2] += 1
                del row["points"]
        rows.append(row)
    return rows, counts


def table(title, rows, columns):
    print(f"\n## {title}\n\n| What | Median | 95th percentile | Worst |\n|---|---|---|---|")
    for key, name, digits, worst in columns:
        values = np.array([row[key] for row in rows if key in row])
        high = 0.95 if worst == "max" else 0.05
        print(f"| {name} | {np.median(values):.{digits}f} | {np.quantile(values, high):.{digits}f} | {getattr(values, worst)():.{digits}f} |")


def main():
    program, models, paths = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    reference, rows, seen, lone, other = Reference(models), [], 0, 0, 0
    ours = subprocess.Popen([program, str(models)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for path in paths:
        found, counts = compare(reference, ours, path)
        rows, seen, lone, other = rows + found, seen + counts[0], lone + counts[1], other + counts[2]
    ours.stdin.close()
    print("# Agreement of the face models with onnxruntime\n")
    print("`kyc/tools/compare_onnxruntime.py PROGRAM MODELS-DIR FILM-OR-PICTURE...` prints this page: what the")
    print("server sees beside onnxruntime and OpenCV on the same pixels.\n")
    print(f"onnxruntime {ort.__version__}, OpenCV {cv2.__version__}; {seen} pictures from {len(paths)} films and")
    print(f"photographs, a face compared in {len(rows)}; a face in one of the two only: {lone};")
    print(f"another face of several taken for the largest: {other}.")
    table("On the same window and the same five points", rows, [
        ("landmarks", "landmark furthest off, of 478 (picture pixels)", 3, "max"),
        ("presence", "presence", 5, "max"),
        ("shapes", "blendshape furthest off, of 52", 4, "max"),
        ("yaw", "yaw (degrees)", 3, "max"), ("pitch", "pitch (degrees)", 3, "max"),
        ("cosine", "embedding: cosine to the reference", 5, "min"),
    ])
    table("Where each looks for itself", rows, [
        ("points", "the detector's five points, furthest off (share of the face's width)", 3, "max"),
        ("from_mesh", "embedding: cosine from the mesh's points to that from the detector's", 3, "min"),
    ])
    failed = [r for r in rows if r["landmarks"] > 1 or r["cosine"] < 0.999]
    if failed or not rows:
        sys.exit(f"{len(failed)} of {len(rows)} pictures beyond 1 pixel or below cosine 0.999")


if __name__ == "__main__":
    main()
