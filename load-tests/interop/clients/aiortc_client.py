"""aiortc (PyPI): publishes a moving bar and a tone, and decodes what it is sent."""

import asyncio
import fractions
import math
import struct
import sys
import time

import aioice.ice
import aiortc
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, VideoStreamTrack
from av import AudioFrame, VideoFrame

from wishes import Watch, leave, read_wishes, report, send_offer, until_stdin_ends

# Everything is on this machine; aioice leaves the loopback address out otherwise.
aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"] if use_ipv4 else []

WIDTH, HEIGHT, FPS = 320, 240, 15


class Bar(VideoStreamTrack):
    """A bright bar that wanders over grey."""

    def __init__(self):
        super().__init__()
        self.count = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0.0, self.began + self.count / FPS - time.monotonic()))
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        bar = self.count * 4 % (WIDTH - 16)
        luma = frame.planes[0]
        row = bytearray(b"\x50" * luma.line_size)
        row[bar : bar + 16] = b"\xeb" * 16
        luma.update(bytes(row) * luma.height)
        for plane in frame.planes[1:]:
            plane.update(b"\x80" * plane.buffer_size)
        frame.pts = self.count * 90_000 // FPS
        frame.time_base = fractions.Fraction(1, 90_000)
        self.count += 1
        return frame


class Tone(AudioStreamTrack):
    """440 Hz."""

    RATE, SAMPLES = 48_000, 960

    def __init__(self):
        super().__init__()
        self.at = 0
        self.began = None

    async def recv(self):
        self.began = self.began or time.monotonic()
        await asyncio.sleep(max(0.0, self.began + self.at / self.RATE - time.monotonic()))
        frame = AudioFrame("s16", "mono", self.SAMPLES)
        wave = (
            int(12_000 * math.sin(math.tau * 440 * n / self.RATE))
            for n in range(self.at, self.at + self.SAMPLES)
        )
        frame.planes[0].update(struct.pack(f"<{self.SAMPLES}h", *wave))
        frame.sample_rate = self.RATE
        frame.pts = self.at
        frame.time_base = fractions.Fraction(1, self.RATE)
        self.at += self.SAMPLES
        return frame


async def look(track, watch):
    try:
        while True:
            await track.recv()
            watch.frames += 1
    except MediaStreamError:
        pass


async def listen(track, watch):
    try:
        while True:
            frame = await track.recv()
            watch.packets += 1
            data = bytes(frame.planes[0])[: frame.samples * len(frame.layout.channels) * 2]
            samples = struct.unpack(f"<{len(data) // 2}h", data)
            watch.energy += sum((s / 32_768) ** 2 for s in samples[::16]) / 60 / 50
    except MediaStreamError:
        pass


def prefer(transceiver, codec):
    """Offers the codec under test, and no other that it could be answered with."""
    kind = transceiver.kind
    wanted = f"{kind}/{codec}".lower()
    codecs = RTCRtpSender.getCapabilities(kind).codecs
    chosen = [c for c in codecs if c.mimeType.lower() in (wanted, f"{kind}/rtx")]
    transceiver.setCodecPreferences(chosen)


async def main():
    wishes = read_wishes()
    watch = Watch("aiortc", aiortc.__version__, wishes)
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    direction = {"both": "sendrecv", "publish": "sendonly", "watch": "recvonly"}[wishes.mode]
    for source, kind, codec in ((Tone(), "audio", "opus"), (Bar(), "video", wishes.codec)):
        transceiver = pc.addTransceiver(
            kind if wishes.mode == "watch" else source, direction=direction
        )
        prefer(transceiver, codec)

    tasks = []

    @pc.on("track")
    def on_track(track):
        consume = look if track.kind == "video" else listen
        tasks.append(asyncio.ensure_future(consume(track, watch)))

    @pc.on("connectionstatechange")
    def on_state():
        if pc.connectionState == "connected":
            watch.connected()

    await pc.setLocalDescription(await pc.createOffer())
    answer, session = await asyncio.to_thread(send_offer, wishes, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    while not watch.satisfied() and not watch.out_of_patience():
        await asyncio.sleep(0.05)
    if wishes.mode == "publish":
        stats = (await pc.getStats()).values()
        watch.sent = sum(s.packetsSent for s in stats if s.type == "outbound-rtp")
    report(watch)
    if watch.satisfied():
        await asyncio.to_thread(until_stdin_ends)
    await asyncio.to_thread(leave, wishes, session)
    await pc.close()
    return 0 if watch.satisfied() else 1


sys.exit(asyncio.run(main()))
