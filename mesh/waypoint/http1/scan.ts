/**
 * Finding the end of a head in bytes that come in any pieces, each byte looked at once.
 *
 * What no head may contain (a bare LF or CR, a control character, a folded line, TLS) is refused at the byte where it stands,
 * not when the head is complete: so the parser (head.ts), which runs once over a complete head, may rely on lines that end in
 * CRLF and hold nothing but visible characters, spaces and tabs.
 */
import { CLASSES, CONTROL, CR, LF, SPACE, TAB, TOKEN } from "./characters.ts";
import type { Refusal } from "./refusals.ts";

/** Where the scan stands; carried from one piece to the next. */
const Before = 0; // of the first byte
const InLine = 1;
const AfterCr = 2;
const LineStart = 3;
const AfterLastCr = 4;

export class HeadScanner {
  private state: number = Before;
  /** Bytes of the head that have been looked at. */
  scanned = 0;

  reset(): void {
    this.state = Before;
    this.scanned = 0;
  }

  /** Whether a head has begun and not ended. */
  get inside(): boolean {
    return this.state !== Before;
  }

  /**
   * Goes on at `bytes[from + scanned]`, where `from` is where the head begins. The index after the head, -1 when more bytes
   * are needed, or why it is refused.
   */
  scan(bytes: Buffer, from: number, to: number, limit: number): number | Refusal {
    let state = this.state;
    let at = from + this.scanned;
    const end = Math.min(to, from + limit);
    if (state === Before && at < end) {
      const refusal = refuseFirst(bytes[at] as number);
      if (refusal !== null) return refusal;
      state = InLine;
    }
    while (at < end) {
      const byte = bytes[at++] as number;
      if (state === InLine) {
        if ((CLASSES[byte] as number) & CONTROL) {
          if (byte !== CR) return byte === LF ? "bareLf" : "control";
          state = AfterCr;
        }
      } else if (state === LineStart) {
        if (byte === CR) state = AfterLastCr;
        else if (byte === SPACE || byte === TAB) return "obsFold";
        else if ((CLASSES[byte] as number) & CONTROL) return byte === LF ? "bareLf" : "control";
        else state = InLine;
      } else if (byte !== LF) {
        return "bareCr";
      } else if (state === AfterLastCr) {
        this.reset();
        return at;
      } else {
        state = LineStart;
      }
    }
    this.state = state;
    this.scanned = at - from;
    return this.scanned >= limit ? "headTooLong" : -1;
  }
}

/** The first byte of a TLS record that holds a ClientHello. */
const TLS_HANDSHAKE = 22;

function refuseFirst(byte: number): Refusal | null {
  if ((CLASSES[byte] as number) & TOKEN) return null;
  if (byte === TLS_HANDSHAKE) return "tls";
  if (byte === CR || byte === LF) return "emptyLine";
  return byte === SPACE || byte === TAB ? "method" : "notHttp";
}
