"""What is asked of a client, and how it says what it got: the Python side of docs/interop.md."""

import argparse
import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request


def read_wishes():
    parser = argparse.ArgumentParser()
    parser.add_argument("--join", required=True, help="where to post the offer")
    parser.add_argument("--token", help="bearer token, for WHIP and WHEP")
    parser.add_argument("--codec", choices=["vp8", "h264"], default="h264")
    parser.add_argument("--mode", choices=["both", "publish", "watch"], default="both")
    parser.add_argument("--frames", type=int, default=30, help="pictures to decode")
    parser.add_argument("--patience", type=float, default=20, help="seconds")
    return parser.parse_args()


class Watch:
    """What has been seen and heard so far."""

    def __init__(self, client, version, wishes):
        self.client, self.version, self.wishes = client, version, wishes
        self.began = time.monotonic()
        self.connect_ms = None
        self.frames = self.packets = self.sent = 0
        self.energy = 0.0

    def connected(self):
        if self.connect_ms is None:
            self.connect_ms = round((time.monotonic() - self.began) * 1000)

    def satisfied(self):
        if self.connect_ms is None:
            return False
        if self.wishes.mode == "publish":
            return True
        return self.frames >= self.wishes.frames and self.packets > 0 and self.energy > 1e-4

    def out_of_patience(self):
        return time.monotonic() - self.began > self.wishes.patience


def report(watch):
    line = {
        "ok": watch.satisfied(),
        "client": watch.client,
        "version": watch.version,
        "codec": watch.wishes.codec,
        "connectMs": watch.connect_ms,
        "framesDecoded": watch.frames,
        "audioPackets": watch.packets,
        "audioEnergy": round(watch.energy, 4),
    }
    if watch.wishes.mode == "publish":
        line["packetsSent"] = watch.sent
    print(json.dumps(line), flush=True)


def _request(wishes, method, url, body=None, kind=None):
    headers = {}
    if kind:
        headers["Content-Type"] = kind
    if wishes.token:
        headers["Authorization"] = f"Bearer {wishes.token}"
    request = urllib.request.Request(url, data=body, method=method, headers=headers)
    try:
        return urllib.request.urlopen(request, timeout=10)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {url}: {error.code} {error.read().decode(errors='replace')}")


def send_offer(wishes, sdp):
    """Gives the answer, and where the session can be ended, if it can."""
    response = _request(wishes, "POST", wishes.join, sdp.encode(), "application/sdp")
    location = response.headers.get("Location")
    session = urllib.parse.urljoin(wishes.join, location) if location else None
    return response.read().decode(), session


def leave(wishes, session):
    if session:
        _request(wishes, "DELETE", session)


def until_stdin_ends():
    sys.stdin.buffer.read()
