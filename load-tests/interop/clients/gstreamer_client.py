"""GStreamer's webrtcbin. Debian 12 has no whipsink, so the HTTP exchange is made here."""

import array
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from wishes import Watch, leave, read_wishes, report, send_offer  # noqa: E402

ENCODERS = {
    "h264": (
        "x264enc tune=zerolatency speed-preset=ultrafast bitrate=300 key-int-max=60"
        " ! video/x-h264,profile=constrained-baseline"
        " ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
        "H264",
    ),
    "vp8": ("vp8enc deadline=1 target-bitrate=300000 keyframe-max-dist=60 ! rtpvp8pay", "VP8"),
}
AUDIO = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=97"
VIDEO = "application/x-rtp,media=video,encoding-name={},clock-rate=90000,payload=96"


class Client:
    def __init__(self, wishes):
        self.wishes = wishes
        self.watch = Watch("gstreamer", Gst.version_string().split()[-1], wishes)
        self.loop = GLib.MainLoop()
        self.session = None
        self.status = 1
        self.pipeline = Gst.Pipeline()
        self.pipeline.add(Gst.parse_bin_from_description(self.description(), False))
        self.webrtc = self.pipeline.get_by_name("w")
        # Everything is on this machine, and libnice does not try loopback unless told to. Kept:
        # Python takes over the agent's only reference.
        self.ice = self.webrtc.get_property("ice-agent")
        self.ice.emit("add-local-ip-address", "127.0.0.1")
        # No asking routers of the neighbourhood for a port.
        self.ice.get_property("agent").set_property("upnp", False)
        if wishes.mode == "watch":
            self.ask_for_media()
        self.webrtc.connect("on-negotiation-needed", lambda _: self.negotiate())
        self.webrtc.connect("pad-added", self.on_pad)
        self.webrtc.connect("notify::connection-state", self.on_state)
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)

    def description(self):
        parts = ["webrtcbin name=w bundle-policy=max-bundle latency=100"]
        if self.wishes.mode != "watch":
            encoder, name = ENCODERS[self.wishes.codec]
            parts += [
                "videotestsrc is-live=true pattern=ball"
                " ! video/x-raw,width=320,height=240,framerate=15/1,format=I420"
                f" ! {encoder} ! {VIDEO.format(name)} ! w.",
                "audiotestsrc is-live=true freq=440 volume=0.4 ! audioconvert ! audioresample"
                f" ! opusenc ! rtpopuspay ! {AUDIO} ! w.",
            ]
        return " ".join(parts)

    def ask_for_media(self):
        recvonly = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        video = VIDEO.format(ENCODERS[self.wishes.codec][1])
        if self.wishes.codec == "h264":
            # What the payloader says of itself when publishing. Unsaid, it is mode 0 (RFC 6184
            # section 8.1), which no browser sends.
            video += ",packetization-mode=(string)1,profile-level-id=(string)42e01f"
        for caps in (AUDIO, video):
            self.webrtc.emit("add-transceiver", recvonly, Gst.Caps.from_string(caps))

    # Offer, ICE candidates, then the HTTP exchange, then the answer.

    def negotiate(self):
        promise = Gst.Promise.new_with_change_func(self.on_offer, None)
        self.webrtc.emit("create-offer", None, promise)

    def on_offer(self, promise, _):
        # The reply owns the offer: without a name for it here, it is gone before it is used.
        reply = promise.get_reply()
        offer = reply.get_value("offer")
        self.webrtc.connect("notify::ice-gathering-state", self.on_gathering)
        self.webrtc.emit("set-local-description", offer, Gst.Promise.new())

    def on_gathering(self, webrtc, _):
        if webrtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.exchange)

    def exchange(self):
        offer = self.webrtc.get_property("local-description").sdp.as_text()
        answer, self.session = send_offer(self.wishes, offer)
        _, sdp = GstSdp.SDPMessage.new_from_text(answer)
        description = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new())
        return False

    # What is received is decoded and counted.

    def on_pad(self, _, pad):
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        video = "media=(string)video" in pad.get_current_caps().to_string()
        tail = (
            "videoconvert ! appsink name=sink emit-signals=true sync=false"
            if video
            else "audioconvert ! audioresample ! audio/x-raw,format=S16LE,channels=1,rate=48000"
            " ! appsink name=sink emit-signals=true sync=false"
        )
        decode = Gst.parse_bin_from_description(f"queue name=head ! decodebin ! {tail}", False)
        ghost = Gst.GhostPad.new("sink", decode.get_by_name("head").get_static_pad("sink"))
        decode.add_pad(ghost)
        decode.get_by_name("sink").connect("new-sample", self.on_frame if video else self.on_sound)
        # Beside webrtcbin: what is linked must have the same parent.
        self.webrtc.get_parent().add(decode)
        decode.sync_state_with_parent()
        pad.link(ghost)

    def on_frame(self, sink):
        sink.emit("pull-sample")
        self.watch.frames += 1
        return Gst.FlowReturn.OK

    def on_sound(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        samples = array.array("h", buffer.extract_dup(0, buffer.get_size()))
        self.watch.packets += 1
        self.watch.energy += sum((s / 32_768) ** 2 for s in samples) / 48_000
        return Gst.FlowReturn.OK

    def on_state(self, webrtc, _):
        if webrtc.get_property("connection-state") == GstWebRTC.WebRTCPeerConnectionState.CONNECTED:
            self.watch.connected()

    def on_message(self, _, message):
        if message.type == Gst.MessageType.ERROR:
            error, detail = message.parse_error()
            print(f"{error}: {detail}", file=sys.stderr)
            self.loop.quit()

    def poll(self):
        if not self.watch.satisfied() and not self.watch.out_of_patience():
            return True
        if self.wishes.mode == "publish":
            self.watch.sent = 1 if self.watch.satisfied() else 0
        report(self.watch)
        if not self.watch.satisfied():
            self.loop.quit()
            return False
        self.status = 0
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_HUP | GLib.IO_IN, lambda *_: self.loop.quit())
        return False

    def run(self):
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(50, self.poll)
        self.loop.run()
        leave(self.wishes, self.session)
        self.pipeline.set_state(Gst.State.NULL)
        return self.status


Gst.init(None)
sys.exit(Client(read_wishes()).run())
