/**
 * Where a body ends: by length, by chunks, or with the connection (RFC 9112 sections 6 and 7). It only reads along: the
 * bytes are forwarded as they are. A few numbers are all its state, so that pieces may be cut anywhere.
 */
import { CLASSES, COLON, CR, LF, SEMICOLON, SPACE, TAB, TEXT, TOKEN, VALUE } from "./characters.ts";
import type { HttpLimits, Refusal } from "./refusals.ts";

const Done = 0;
const ByLength = 1;
const UntilClose = 2;
// chunk = size [; extension] CRLF data CRLF
const SizeFirst = 3;
const Size = 4;
const Extension = 5;
const SizeLf = 6;
const Data = 7;
const DataCr = 8;
const DataLf = 9;
// *( field CRLF ) CRLF
const TrailerStart = 10;
const TrailerName = 11;
const TrailerValue = 12;
const TrailerLf = 13;
const LastLf = 14;

/** A chunk of 2^40 bytes: no server writes that, and sums stay exact. */
const SIZE_DIGITS = 10;

/** Only a head may have these (RFC 9110 section 6.5.1): a server that merges trailers would take them for the head's. */
const HEAD_ONLY: readonly string[] = [
  "transfer-encoding",
  "content-length",
  "host",
  "connection",
  "upgrade",
  "authorization",
  "cookie",
  "content-type",
  "content-encoding",
  "content-range",
  "te",
  "trailer",
  "expect",
];

export class BodyReader {
  private readonly limits: HttpLimits;
  private state: number = Done;
  /** Of the length, or of the chunk's data. */
  private remaining = 0;
  private digits = 0;
  private extension = 0;
  private trailers = 0;
  private nameLength = 0;
  /** Which of HEAD_ONLY the trailer's name may still be, as bits. */
  private candidates = 0;
  /** Why it cannot be framed, once it cannot. */
  refusal: Refusal | null = null;

  constructor(limits: HttpLimits) {
    this.limits = limits;
  }

  get done(): boolean {
    return this.state === Done;
  }

  get untilClose(): boolean {
    return this.state === UntilClose;
  }

  startNone(): void {
    this.start(Done);
  }

  startLength(length: number): void {
    this.start(length === 0 ? Done : ByLength);
    this.remaining = length;
  }

  startChunked(): void {
    this.start(SizeFirst);
    this.trailers = 0;
  }

  startUntilClose(): void {
    this.start(UntilClose);
  }

  private start(state: number): void {
    this.state = state;
    this.refusal = null;
  }

  /** Reads from `from` on; the index after what belongs to the body. When it is less than `to`, the body is done or refused. */
  read(bytes: Buffer, from: number, to: number): number {
    switch (this.state) {
      case Done:
        return from;
      case ByLength: {
        const end = Math.min(to, from + this.remaining);
        this.remaining -= end - from;
        if (this.remaining === 0) this.state = Done;
        return end;
      }
      case UntilClose:
        return to;
      default:
        return this.readChunks(bytes, from, to);
    }
  }

  private readChunks(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && this.state !== Done) {
      if (this.state === Data) {
        const end = Math.min(to, at + this.remaining);
        this.remaining -= end - at;
        at = end;
        if (this.remaining === 0) this.state = DataCr;
        continue;
      }
      const refusal = this.step(bytes[at] as number);
      if (refusal !== null) {
        this.refusal = refusal;
        return at;
      }
      at++;
    }
    return at;
  }

  private step(byte: number): Refusal | null {
    switch (this.state) {
      case SizeFirst:
        this.remaining = 0;
        this.digits = 0;
        this.extension = 0;
        this.state = Size;
        return this.addDigit(byte) ? null : "chunkSize";
      case Size:
        if (this.addDigit(byte)) return this.digits > SIZE_DIGITS ? "chunkSize" : null;
        if (byte === SEMICOLON) this.state = Extension;
        else if (byte === CR) this.state = SizeLf;
        else return byte === LF ? "bareLf" : "chunkSize";
        return null;
      case Extension:
        if (byte === CR) this.state = SizeLf;
        else if (!((CLASSES[byte] as number) & TEXT)) return byte === LF ? "bareLf" : "chunkExtension";
        return ++this.extension > this.limits.chunkExtension ? "chunkExtension" : null;
      case SizeLf:
        this.state = this.remaining === 0 ? TrailerStart : Data;
        return byte === LF ? null : "bareCr";
      case DataCr:
        this.state = DataLf;
        return byte === CR ? null : "chunkEnd";
      case DataLf:
        this.state = SizeFirst;
        return byte === LF ? null : "chunkEnd";
      default:
        return ++this.trailers > this.limits.trailers ? "trailer" : this.stepTrailer(byte);
    }
  }

  private stepTrailer(byte: number): Refusal | null {
    switch (this.state) {
      case TrailerStart:
        if (byte === CR) {
          this.state = LastLf;
          return null;
        }
        if (byte === SPACE || byte === TAB) return "obsFold";
        this.state = TrailerName;
        this.nameLength = 0;
        this.candidates = (1 << HEAD_ONLY.length) - 1;
        return this.addToName(byte);
      case TrailerName:
        if (byte !== COLON) return this.addToName(byte);
        this.state = TrailerValue;
        return this.namesHeadOnly() ? "trailerField" : null;
      case TrailerValue:
        if (byte === CR) this.state = TrailerLf;
        else if (!((CLASSES[byte] as number) & VALUE)) return byte === LF ? "bareLf" : "control";
        return null;
      case TrailerLf:
        this.state = TrailerStart;
        return byte === LF ? null : "bareCr";
      default: // LastLf
        this.state = Done;
        return byte === LF ? null : "bareCr";
    }
  }

  private addDigit(byte: number): boolean {
    const value = hexValue(byte);
    if (value < 0) return false;
    this.remaining = this.remaining * 16 + value;
    this.digits++;
    return true;
  }

  private addToName(byte: number): Refusal | null {
    if (!((CLASSES[byte] as number) & TOKEN)) return byte === LF ? "bareLf" : "trailer";
    const folded = byte >= 65 && byte <= 90 ? byte | 32 : byte;
    for (let i = 0; i < HEAD_ONLY.length; i++) {
      if ((HEAD_ONLY[i] as string).charCodeAt(this.nameLength) !== folded) this.candidates &= ~(1 << i);
    }
    this.nameLength++;
    return null;
  }

  private namesHeadOnly(): boolean {
    return HEAD_ONLY.some((name, i) => this.candidates & (1 << i) && name.length === this.nameLength);
  }
}

function hexValue(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const letter = byte | 32;
  return letter >= 97 && letter <= 102 ? letter - 87 : -1;
}
