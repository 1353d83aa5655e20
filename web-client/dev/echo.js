/**
 * Runs inside a page before its own scripts: answers the page's media offers with a second peer
 * connection in the same page that sends its own camera back. So a page without a server shows a
 * call, and the media code is exercised by a real browser.
 */
(() => {
  const realFetch = globalThis.fetch.bind(globalThis);
  globalThis.fetch = async (input, init) => {
    if (!String(input).endsWith("/media")) return realFetch(input, init);
    const { sdp } = JSON.parse(init.body);
    const other = new RTCPeerConnection();
    globalThis.__echo = other;
    await other.setRemoteDescription({ type: "offer", sdp });
    const stream = await navigator.mediaDevices.getUserMedia({ video: true, audio: true });
    for (const transceiver of other.getTransceivers()) {
      const { kind } = transceiver.receiver.track;
      const track = stream.getTracks().find((each) => each.kind === kind);
      transceiver.direction = "sendrecv";
      if (track) await transceiver.sender.replaceTrack(track);
    }
    await other.setLocalDescription();
    await new Promise((resolve) => {
      if (other.iceGatheringState === "complete") resolve();
      other.onicegatheringstatechange = () => {
        if (other.iceGatheringState === "complete") resolve();
      };
    });
    return new Response(JSON.stringify({ sdp: other.localDescription.sdp, connection: 1 }), {
      headers: { "Content-Type": "application/json" },
    });
  };
})();
