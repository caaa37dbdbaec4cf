/** The catalogue of this folder's diagnostics: captures and packets that cannot be read. */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";

// prettier-ignore
export const PACKET_DIAGNOSTICS = {
  K001: { title: "not a classic capture file",            remedy: "record one with: tcpdump -i <device> -w out.pcap" },
  K002: { title: "a capture ends in the middle",          remedy: "record it again, or drop what is behind the last whole record" },
  K003: { title: "a capture has a record that cannot be", remedy: "the file is damaged before this record" },
  K004: { title: "a capture of another link layer",       remedy: "record on an Ethernet device (not -i any)" },
  K010: { title: "a packet is not hexadecimal",           remedy: 'write it like "ffffffffffff 0a0000000001 0800 45 ..."' },
} as const satisfies Record<string, { title: string; remedy: string }>;
export type PacketCode = keyof typeof PACKET_DIAGNOSTICS;

/** An error of the catalogue, to throw; `remedy` replaces the catalogue's. */
export function packetError(
  code: PacketCode,
  message: string,
  more: Pick<Diagnostic, "expected" | "found" | "remedy"> & { readonly place?: Diagnostic["place"] } = {},
): DiagnosticError {
  const { remedy } = PACKET_DIAGNOSTICS[code];
  return new DiagnosticError([{ code, severity: "error", message, place: { kind: "none" }, remedy, ...more }]);
}
