// What runs inside the page. Each function is sent there as its source text, so it can use nothing
// from outside itself.

// Joins: publishes the (fake) camera and microphone and shows what comes.
export async function connect(wishes) {
  const state = (window.interop = { codec: wishes.codec, connectMs: null });
  const began = performance.now();
  const pc = (state.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" }));
  pc.addEventListener("connectionstatechange", () => {
    if (pc.connectionState === "connected") state.connectMs ??= Math.round(performance.now() - began);
  });
  pc.addEventListener("track", ({ track }) => {
    const element = document.createElement(track.kind);
    element.srcObject = new MediaStream([track]);
    element.autoplay = true;
    element.muted = track.kind === "video";
    document.body.append(element);
  });

  const size = wishes.simulcast ? { width: 1280, height: 720 } : { width: 640, height: 480 };
  const stream =
    wishes.mode === "watch"
      ? null
      : await navigator.mediaDevices.getUserMedia({ audio: true, video: { ...size, frameRate: 15 } });
  const direction = { both: "sendrecv", publish: "sendonly", watch: "recvonly" }[wishes.mode];
  pc.addTransceiver(stream?.getAudioTracks()[0] ?? "audio", { direction, streams: stream ? [stream] : [] });
  const layers = [
    { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150_000 },
    { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 500_000 },
    { rid: "f", maxBitrate: 1_500_000 },
  ];
  const video = pc.addTransceiver(stream?.getVideoTracks()[0] ?? "video", {
    direction,
    streams: stream ? [stream] : [],
    ...(wishes.simulcast && { sendEncodings: layers }),
  });
  // The codec under test, and no other that it could be answered with.
  const codecs = RTCRtpReceiver.getCapabilities("video").codecs;
  const helpers = ["video/rtx"];
  video.setCodecPreferences(
    codecs.filter((c) => [`video/${wishes.codec}`, ...helpers].includes(c.mimeType.toLowerCase())),
  );

  await pc.setLocalDescription();
  if (pc.iceGatheringState !== "complete") {
    await new Promise((resolve) =>
      pc.addEventListener("icegatheringstatechange", () => pc.iceGatheringState === "complete" && resolve()),
    );
  }
  const response = await fetch(wishes.join, {
    method: "POST",
    headers: { "Content-Type": "application/sdp", ...(wishes.token && { Authorization: `Bearer ${wishes.token}` }) },
    body: pc.localDescription.sdp,
  });
  const answer = await response.text();
  if (!response.ok) throw new Error(`${response.status}: ${answer}`);
  await pc.setRemoteDescription({ type: "answer", sdp: answer });
}

// What has been seen and heard so far.
export async function look() {
  const { pc, codec, connectMs } = window.interop;
  const seen = { codec, connectMs, framesDecoded: 0, audioPackets: 0, audioEnergy: 0, packetsSent: 0, layers: [] };
  for (const stat of (await pc.getStats()).values()) {
    if (stat.type === "inbound-rtp" && stat.kind === "video") seen.framesDecoded += stat.framesDecoded ?? 0;
    if (stat.type === "inbound-rtp" && stat.kind === "audio") {
      seen.audioPackets += stat.packetsReceived ?? 0;
      seen.audioEnergy += stat.totalAudioEnergy ?? 0;
    }
    if (stat.type === "outbound-rtp") {
      seen.packetsSent += stat.packetsSent ?? 0;
      if (stat.rid) seen.layers.push({ rid: stat.rid, frames: stat.framesSent ?? 0, height: stat.frameHeight ?? 0 });
    }
  }
  return seen;
}
