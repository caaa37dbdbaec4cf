/** Capture files of either format: classic capture files (pcap.ts) and pcapng (pcapng.ts). */
import type { DiagnosticError } from "../diag/index.ts";
import { ETHERNET } from "./captured-packet.ts";
import type { CapturedPacket } from "./captured-packet.ts";
import { packetError } from "./diagnostics.ts";
import { PCAP_MAGICS, readPcap } from "./pcap.ts";
import { PCAPNG_MAGIC, readPcapng } from "./pcapng.ts";

/**
 * The packets of a capture file of either format. `file` names it in diagnostics; packets are views into `bytes`.
 * Throws `DiagnosticError`: K001 not a capture, K002 cut off, K003 impossible record.
 */
export function readCapture(bytes: Uint8Array, file: string): readonly CapturedPacket[] {
  if (bytes.length < 4) throw noCapture(file, `${bytes.length} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) === PCAPNG_MAGIC) return readPcapng(bytes, file);
  if (PCAP_MAGICS.includes(view.getUint32(0)) || PCAP_MAGICS.includes(view.getUint32(0, true)))
    return readPcap(bytes, file);
  throw noCapture(file, view.getUint32(0).toString(16).padStart(8, "0"));
}

/** The packets of a capture of Ethernet frames. Throws as `readCapture`, and K004 for another link layer. */
export function readFrames(bytes: Uint8Array, file: string): readonly CapturedPacket[] {
  const packets = readCapture(bytes, file);
  const other = packets.findIndex((p) => p.linkType !== ETHERNET);
  if (other < 0) return packets;
  throw packetError("K004", `packet ${other + 1} of ${file} is no Ethernet frame`, {
    place: { kind: "path", file, path: `packet ${other + 1}` },
    expected: `link type ${ETHERNET} (Ethernet)`,
    found: `link type ${packets[other]?.linkType}`,
  });
}

function noCapture(file: string, found: string): DiagnosticError {
  return packetError("K001", `${file} is not a capture`, {
    place: { kind: "offset", file, offset: 0 },
    expected: "the magic number of a capture: a1b2c3d4 or a1b23c4d in either byte order, or 0a0d0d0a (pcapng)",
    found,
  });
}
