/**
 * sk_msg: how many bytes a verdict is for, and the message itself, a list of pieces of memory of which a program sees one.
 *
 *   pieces   | 0: 8 bytes | 1: 20 bytes | 2: 4 bytes |      data..data_end: the first piece, or what msg_pull_data asked for
 *
 * Pulling joins the pieces that a range spans, pushing splits one to put another between, popping cuts.
 * Source: bpf-helpers(7), the kernel's scatter list as programs on Linux 6.18 can observe it.
 */
import { ERRNO } from "../errno.ts";
import type { Host, Run } from "../host.ts";
import type { Packet } from "../packet.ts";
import { result, u32 } from "./helper.ts";
import type { Implementations } from "./helper.ts";

/** Pieces that a message has room for (MAX_SKB_FRAGS). */
const PIECES = 17;

export const MESSAGE_HELPERS = {
  msg_apply_bytes: (host, _ctx, r2) => {
    host.run.effects.push({ kind: "apply_bytes", bytes: u32(r2) });
    return 0n;
  },
  msg_cork_bytes: (host, _ctx, r2) => {
    host.run.effects.push({ kind: "cork_bytes", bytes: u32(r2) });
    return 0n;
  },
  msg_pull_data: (host, _ctx, r2, r3, r4) => {
    const [start, end] = [u32(r2), u32(r3)];
    const { packet, pieces } = message(host, "msg_pull_data");
    if (r4 !== 0n || end <= start) return result(-ERRNO.EINVAL);
    const first = pieceAt(pieces, start);
    if (first === null || end > packet.length) return result(-ERRNO.EINVAL);
    let [last, covered] = [first.index, 0];
    do covered += pieces[last++] ?? 0;
    while (covered < end - first.offset);
    pieces.splice(first.index, last - first.index, covered);
    packet.expose(packet.contents(), start, end);
    return shown(host.run, packet);
  },
  msg_push_data: (host, _ctx, r2, r3, r4) => {
    const [start, size] = [u32(r2), u32(r3)];
    const { packet, pieces } = message(host, "msg_push_data");
    if (r4 !== 0n) return result(-ERRNO.EINVAL);
    if (size === 0) return 0n;
    if (start > packet.length) return result(-ERRNO.EINVAL);
    const at = pieceAt(pieces, start) ?? { index: pieces.length, offset: start };
    insertPiece(pieces, at.index, start - at.offset, size);
    return replaced(host.run, packet, spliced(packet.contents(), start, 0, size), pieces);
  },
  msg_pop_data: (host, _ctx, r2, r3, r4) => {
    const [start, size] = [u32(r2), u32(r3)];
    const { packet, pieces } = message(host, "msg_pop_data");
    if (r4 !== 0n) return result(-ERRNO.EINVAL);
    if (size === 0) return 0n;
    if (start >= packet.length || start + size > packet.length) return result(-ERRNO.EINVAL);
    cutPieces(pieces, start, size);
    return replaced(host.run, packet, spliced(packet.contents(), start, size, 0), pieces);
  },
} satisfies Implementations;

/** The lengths of the run's pieces: the linear part and the rest, until a helper changes them. */
function message(host: Host, helper: string): { readonly packet: Packet; readonly pieces: number[] } {
  const { run } = host;
  const packet = host.packet(helper);
  const linear = packet.bytes.length;
  run.pieces ??= linear === packet.length ? [linear] : [linear, packet.length - linear];
  return { packet, pieces: run.pieces };
}

/** The piece that byte `at` is in, and where it starts; null behind the last. */
function pieceAt(pieces: readonly number[], at: number): { readonly index: number; readonly offset: number } | null {
  let offset = 0;
  for (const [index, length] of pieces.entries()) {
    if (at < offset + length) return { index, offset };
    offset += length;
  }
  return null;
}

/** Without room for more pieces, the new bytes join the piece that they go into. */
function insertPiece(pieces: number[], index: number, inside: number, size: number): void {
  const length = pieces[index];
  const space = PIECES - pieces.length;
  if (length === undefined) pieces.push(size);
  else if (space === 0 || (space === 1 && inside > 0)) pieces[index] = length + size;
  else if (inside > 0) pieces.splice(index, 1, inside, size, length - inside);
  else pieces.splice(index, 0, size);
}

function cutPieces(pieces: number[], start: number, size: number): void {
  const cut = pieces.splice(0);
  let offset = 0;
  for (const length of cut) {
    const before = clamp(start - offset, length);
    const after = clamp(offset + length - (start + size), length);
    // A hole inside a piece makes two of it.
    if (before > 0) pieces.push(before);
    if (after > 0) pieces.push(after);
    offset += length;
  }
}

function clamp(value: number, most: number): number {
  return Math.max(0, Math.min(value, most));
}

function spliced(bytes: Uint8Array, at: number, remove: number, insert: number): Uint8Array {
  return Uint8Array.from([...bytes.subarray(0, at), ...new Uint8Array(insert), ...bytes.subarray(at + remove)]);
}

/** The message has other bytes now; its first piece is what the program sees. */
function replaced(run: Run, packet: Packet, bytes: Uint8Array, pieces: readonly number[]): bigint {
  packet.expose(bytes, 0, pieces[0] ?? 0);
  run.context.put({ size: packet.length });
  return shown(run, packet);
}

function shown(run: Run, packet: Packet): bigint {
  run.context.point(packet);
  return 0n;
}
