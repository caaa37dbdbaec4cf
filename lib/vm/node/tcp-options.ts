/**
 * TCP options (RFC 9293, 7323, 2018) in the order and with the padding of Linux (tcp_options_write), with room behind them
 * for options of sock_ops programs.
 */

/** What a SYN offers, and what both ends have agreed on. */
export interface TcpOptions {
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamp?: { readonly value: number; readonly echo: number };
}

/** Option kinds; RFC 9293 section 3.2, RFC 7323, RFC 2018. */
const KIND = { end: 0, nop: 1, mss: 2, windowScale: 3, sackPermitted: 4, timestamp: 8 } as const;
/** The most that options may take. */
export const OPTIONS_MAX = 40;
/** Bytes of the timestamp option with its padding, on every segment of a connection that uses it. */
export const TIMESTAMP_BYTES = 12;

export function encodeOptions({ mss, windowScale, sackPermitted, timestamp }: TcpOptions): Uint8Array {
  const bytes: number[] = [];
  if (mss !== undefined) bytes.push(KIND.mss, 4, mss >> 8, mss & 0xff);
  if (timestamp !== undefined) {
    // SACK-permitted takes the place of the padding.
    bytes.push(...(sackPermitted === true ? [KIND.sackPermitted, 2] : [KIND.nop, KIND.nop]));
    bytes.push(KIND.timestamp, 10, ...word(timestamp.value), ...word(timestamp.echo));
  } else if (sackPermitted === true) {
    bytes.push(KIND.nop, KIND.nop, KIND.sackPermitted, 2);
  }
  if (windowScale !== undefined) bytes.push(KIND.nop, KIND.windowScale, 3, windowScale);
  return Uint8Array.from(bytes);
}

function word(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];
}

/** Unknown options are left out; damaged ones end the list. */
export function decodeOptions(bytes: Uint8Array): TcpOptions {
  const options: { -readonly [K in keyof TcpOptions]: TcpOptions[K] } = {};
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (const { kind, at, length } of walkOptions(bytes)) {
    if (kind === KIND.mss && length === 4) options.mss = view.getUint16(at + 2);
    else if (kind === KIND.windowScale && length === 3) options.windowScale = Math.min(view.getUint8(at + 2), 14);
    else if (kind === KIND.sackPermitted && length === 2) options.sackPermitted = true;
    else if (kind === KIND.timestamp && length === 10)
      options.timestamp = { value: view.getUint32(at + 2), echo: view.getUint32(at + 6) };
  }
  return options;
}

/** Each option but padding, with its place and length, kind and length bytes included. */
export function* walkOptions(bytes: Uint8Array): Generator<{ kind: number; at: number; length: number }> {
  for (let at = 0; at < bytes.length;) {
    const kind = bytes[at] ?? KIND.end;
    if (kind === KIND.end) return;
    const length = kind === KIND.nop ? 1 : (bytes[at + 1] ?? 0);
    if (length < 1 || (kind !== KIND.nop && length < 2) || at + length > bytes.length) return;
    if (kind !== KIND.nop) yield { kind, at, length };
    at += length;
  }
}
