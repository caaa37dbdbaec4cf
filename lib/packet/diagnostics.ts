/** The catalogue of this folder's diagnostics: captures and packets that cannot be read. */
import { DiagnosticError } from "../diag/index.ts";
import type { Diagnostic } from "../diag/index.ts";

// prettier-ignore
export const PACKET_DIAGNOSTICS = {
  K001: { title: "not a capture file",                    remedy: "record one with: tcpdump -i <device> -w out.pcap" },
  K002: { title: "a capture ends in the middle",          remedy: "record it again, or drop what is behind the last whole record" },
  K003: { title: "a capture has a record that cannot be", remedy: "the file is damaged before this record" },
  K004: { title: "a capture of another link layer",       remedy: "record on an Ethernet device (not -i any)" },
  K005: { title: "packets of several link layers",        remedy: "write one file for each link layer" },
  K010: { title: "a packet is not hexadecimal",           remedy: 'write it like "ffffffffffff 0a0000000001 0800 45 ..."' },
  K011: { title: "not an address, or of another family",  remedy: 'write addresses like "10.0.0.1:80" or "[fd00::1]:80"' },
  K012: { title: "a field cannot have a value",           remedy: "give a value that fits the field; the message says which do" },
  K013: { title: "a header has no such field",            remedy: "lib/packet/headers.ts lists them; they are named as in ebpf-ts/std" },
  K014: { title: "a packet cannot be cut into fragments", remedy: "give a frame with an IPv4 or IPv6 header" },
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

/** K002: `left` bytes from `offset` on where `expected` should be. */
export function cutOff(file: string, offset: number, expected: string, left: number): DiagnosticError {
  const place = { kind: "offset", file, offset } as const;
  return packetError("K002", `${file} ends in the middle`, { place, expected, found: `${left} bytes up to the end` });
}

/** K003: something at `offset` that no writer of captures would have written. */
export function impossible(file: string, offset: number, expected: string, found: string): DiagnosticError {
  const place = { kind: "offset", file, offset } as const;
  return packetError("K003", `${file} has a record that cannot be`, { place, expected, found });
}
