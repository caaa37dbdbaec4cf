/**
 * The head of a request or a response: from bytes to places in them, in one pass, without allocating.
 *
 * A head object is filled again and again; what it says is valid until the next `parse`. It holds indices into the bytes it was
 * parsed from, and the few facts that decide how the message is framed and matched. Text is made only when asked for.
 *
 * `parse` runs on heads that scan.ts let through: lines end in CRLF and have no controls.
 */
import { CLASSES, COLON, CR, DIGIT, HOST, METHOD, SEMICOLON, SLASH, SPACE, TAB, TARGET, TOKEN } from "./characters.ts";
import { equalsIgnoringCase } from "./characters.ts";
import type { HttpLimits, Refusal } from "./refusals.ts";

/** Names that are facts here, by their length. `alias`: the same with underscores is refused, some servers take it for it. */
const CONTENT_LENGTH = "content-length";
const TRANSFER_ENCODING = "transfer-encoding";

const QUESTION = 63;
const DOT = 46;
const PERCENT = 37;
const UNDERSCORE = 95;
const HYPHEN = 45;
const COMMA = 44;
const ZERO = 48;
const STAR = 42;

/** `HTTP/1.` */
const VERSION = Buffer.from("HTTP/1.", "latin1");
/** Digits of a Content-Length: below 2^53. */
const LENGTH_DIGITS = 15;
const METHOD_LENGTH = 32;

/** What requests and responses have in common: fields, and the framing that they say. */
export class Head {
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  /** Index after the empty line. */
  end = 0;
  /** Index of the first field line. */
  fieldsStart = 0;
  /** Four indices a field: start and end of the name, start and end of the value without white space around it. */
  readonly fields: Int32Array;
  fieldCount = 0;
  /** 10 or 11. */
  version = 11;
  /** -1: none. */
  contentLength = -1;
  chunked = false;
  /** `Connection` has `close`. */
  saysClose = false;
  /** `Connection` has `keep-alive`. */
  saysKeepAlive = false;
  /** There is an Upgrade field. */
  upgrade = false;
  /** Upgrade names `h2c`. */
  h2c = false;
  protected readonly limits: HttpLimits;

  constructor(limits: HttpLimits) {
    this.limits = limits;
    this.fields = new Int32Array(4 * limits.fields);
  }

  /** Whether the connection goes on after this message (RFC 9112 section 9.3). */
  get persists(): boolean {
    return !this.saysClose && (this.version === 11 || this.saysKeepAlive);
  }

  /** In lower case. */
  fieldName(index: number): string {
    return this.text(this.fields[4 * index] as number, this.fields[4 * index + 1] as number).toLowerCase();
  }

  fieldValue(index: number): string {
    return this.text(this.fields[4 * index + 2] as number, this.fields[4 * index + 3] as number);
  }

  /** Index of the first field of that name (lower case) from `from` on, or -1. */
  findField(name: string, from = 0): number {
    for (let i = from; i < this.fieldCount; i++) {
      if (equalsIgnoringCase(this.bytes, this.fields[4 * i] as number, this.fields[4 * i + 1] as number, name))
        return i;
    }
    return -1;
  }

  text(from: number, to: number): string {
    return this.bytes.toString("latin1", from, to);
  }

  protected begin(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.fieldCount = 0;
    this.contentLength = -1;
    this.chunked = false;
    this.saysClose = false;
    this.saysKeepAlive = false;
    this.upgrade = false;
    this.h2c = false;
  }

  /** `HTTP/1.0` or `HTTP/1.1` at `at`. */
  protected parseVersion(at: number): boolean {
    const { bytes } = this;
    for (let i = 0; i < VERSION.length; i++) if (bytes[at + i] !== VERSION[i]) return false;
    const minor = (bytes[at + VERSION.length] as number) - ZERO;
    this.version = 10 + minor;
    return minor === 0 || minor === 1;
  }

  /** All field lines, from `at` to the empty line. */
  protected parseFields(at: number): Refusal | null {
    const { bytes, fields } = this;
    const last = this.end - 2;
    this.fieldsStart = at;
    while (at < last) {
      if (this.fieldCount === this.limits.fields) return "tooManyFields";
      const nameStart = at;
      while ((CLASSES[bytes[at] as number] as number) & TOKEN) at++;
      if (at === nameStart || bytes[at] !== COLON) return "fieldName";
      const nameEnd = at++;
      while (bytes[at] === SPACE || bytes[at] === TAB) at++;
      const valueStart = at;
      while (bytes[at] !== CR) at++;
      let valueEnd = at;
      while (valueEnd > valueStart && (bytes[valueEnd - 1] === SPACE || bytes[valueEnd - 1] === TAB)) valueEnd--;
      const slot = 4 * this.fieldCount++;
      fields[slot] = nameStart;
      fields[slot + 1] = nameEnd;
      fields[slot + 2] = valueStart;
      fields[slot + 3] = valueEnd;
      const refusal = this.notice(nameStart, nameEnd, valueStart, valueEnd);
      if (refusal !== null) return refusal;
      at += 2;
    }
    return null;
  }

  /** A field that decides something. Lengths first: most fields are none of these. */
  protected notice(nameStart: number, nameEnd: number, from: number, to: number): Refusal | null {
    const { bytes } = this;
    switch (nameEnd - nameStart) {
      case 7:
        return equalsIgnoringCase(bytes, nameStart, nameEnd, "upgrade") ? this.noticeUpgrade(from, to) : null;
      case 10:
        return equalsIgnoringCase(bytes, nameStart, nameEnd, "connection") ? this.noticeConnection(from, to) : null;
      case 14:
        if (equalsIgnoringCase(bytes, nameStart, nameEnd, CONTENT_LENGTH)) return this.noticeLength(from, to);
        return aliases(bytes, nameStart, CONTENT_LENGTH) ? "aliasedField" : null;
      case 17:
        if (equalsIgnoringCase(bytes, nameStart, nameEnd, TRANSFER_ENCODING)) return this.noticeEncoding(from, to);
        return aliases(bytes, nameStart, TRANSFER_ENCODING) ? "aliasedField" : null;
      default:
        return null;
    }
  }

  private noticeLength(from: number, to: number): Refusal | null {
    if (this.contentLength >= 0) return "contentLengthTwice";
    if (to === from || to - from > LENGTH_DIGITS) return "contentLength";
    if (this.bytes[from] === ZERO && to - from > 1) return "contentLength";
    let length = 0;
    for (let i = from; i < to; i++) {
      const byte = this.bytes[i] as number;
      if (!((CLASSES[byte] as number) & DIGIT)) return "contentLength";
      length = length * 10 + byte - ZERO;
    }
    this.contentLength = length;
    return null;
  }

  private noticeEncoding(from: number, to: number): Refusal | null {
    if (this.chunked) return "transferEncodingTwice";
    if (!equalsIgnoringCase(this.bytes, from, to, "chunked")) return "transferEncoding";
    this.chunked = true;
    return null;
  }

  private noticeUpgrade(from: number, to: number): Refusal | null {
    this.upgrade = true;
    if (this.text(from, to).toLowerCase().includes("h2c")) this.h2c = true;
    return null;
  }

  /** Options are tokens between commas; none may name a field that frames or addresses the message (RFC 9110 7.6.1). */
  private noticeConnection(from: number, to: number): Refusal | null {
    const { bytes } = this;
    for (let at = from; at < to; at++) {
      while (at < to && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const start = at;
      while (at < to && (CLASSES[bytes[at] as number] as number) & TOKEN) at++;
      const end = at;
      while (at < to && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      if (at < to && bytes[at] !== COMMA) return "connection";
      if (equalsIgnoringCase(bytes, start, end, "close")) this.saysClose = true;
      else if (equalsIgnoringCase(bytes, start, end, "keep-alive")) this.saysKeepAlive = true;
      else if (equalsIgnoringCase(bytes, start, end, CONTENT_LENGTH)) return "connection";
      else if (equalsIgnoringCase(bytes, start, end, TRANSFER_ENCODING)) return "connection";
      else if (equalsIgnoringCase(bytes, start, end, "host")) return "connection";
    }
    return null;
  }

  /** What the fields say together about the framing. */
  protected checkFraming(): Refusal | null {
    if (this.chunked && this.contentLength >= 0) return "bothLengths";
    return this.chunked && this.version === 10 ? "encodingIn10" : null;
  }
}

export class RequestHead extends Head {
  methodEnd = 0;
  targetStart = 0;
  targetEnd = 0;
  /** Of the path with its query. Of `http://host` alone it is empty, which means `/`. */
  pathStart = 0;
  /** The authority that the request is for; empty when HTTP/1.0 names none. */
  hostStart = 0;
  hostEnd = 0;
  /** The target is `http://...`. */
  absolute = false;
  /** `Expect: 100-continue`. */
  expectsContinue = false;
  private hostFields = 0;

  get method(): string {
    return this.text(this.start, this.methodEnd);
  }

  /** As sent, with the query; of an absolute target what comes after the authority. */
  get path(): string {
    const path = this.text(this.pathStart, this.targetEnd);
    return this.absolute && !path.startsWith("/") ? `/${path}` : path;
  }

  get host(): string {
    return this.text(this.hostStart, this.hostEnd);
  }

  /** Whether bytes of a body follow. */
  get hasBody(): boolean {
    return this.chunked || this.contentLength > 0;
  }

  /** `bytes[start]` to `bytes[end]` is a whole head. Null, or why it is refused. */
  parse(bytes: Buffer, start: number, end: number): Refusal | null {
    this.begin(bytes, start, end);
    this.hostFields = 0;
    this.hostStart = this.hostEnd = 0;
    this.expectsContinue = false;
    return this.parseLine() ?? this.parseFields(this.targetEnd + " HTTP/1.1\r\n".length) ?? this.checkWhole();
  }

  private parseLine(): Refusal | null {
    const { bytes, start } = this;
    let at = start;
    while ((CLASSES[bytes[at] as number] as number) & METHOD) at++;
    if (bytes[at] !== SPACE || at === start || at - start > METHOD_LENGTH) return "method";
    this.methodEnd = at++;
    this.targetStart = at;
    let dots = false;
    let previous = 0;
    let byte = bytes[at] as number;
    while ((CLASSES[byte] as number) & TARGET) {
      if (previous === SLASH && (byte === DOT || byte === PERCENT)) dots = true;
      previous = byte;
      byte = bytes[++at] as number;
    }
    this.targetEnd = at;
    if (at === this.targetStart) return "target";
    if (at - this.targetStart > this.limits.target) return "targetTooLong";
    if (byte !== SPACE) return byte === CR ? "http09" : "target";
    return this.parseRequestVersion(at + 1) ?? this.parseTarget() ?? (dots ? this.checkSegments() : null);
  }

  private parseRequestVersion(at: number): Refusal | null {
    if (this.parseVersion(at) && this.bytes[at + VERSION.length + 1] === CR) return null;
    return this.isPreface(at) ? "http2" : "version";
  }

  /** The line of `PRI * HTTP/2.0` (RFC 9113 section 3.4). */
  private isPreface(at: number): boolean {
    return this.text(this.start, at) === "PRI * " && this.text(at, at + 10) === "HTTP/2.0\r\n";
  }

  private parseTarget(): Refusal | null {
    const { bytes, targetStart } = this;
    this.absolute = false;
    this.pathStart = targetStart;
    if (this.isMethod("CONNECT")) return "connect";
    if (bytes[targetStart] === SLASH) return null;
    if (bytes[targetStart] === STAR && this.targetEnd === targetStart + 1) {
      return this.isMethod("OPTIONS") ? null : "targetForm";
    }
    return this.parseAbsolute();
  }

  private parseAbsolute(): Refusal | null {
    const scheme = "http://";
    const { bytes, targetStart, targetEnd } = this;
    const from = targetStart + scheme.length;
    if (targetEnd <= from || !equalsIgnoringCase(bytes, targetStart, from, scheme)) return "targetForm";
    let at = from;
    while (at < targetEnd && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
    if (!isHost(bytes, from, at)) return "host";
    this.absolute = true;
    this.hostStart = from;
    this.hostEnd = at;
    this.pathStart = at;
    return null;
  }

  private isMethod(name: string): boolean {
    return this.methodEnd - this.start === name.length && this.text(this.start, this.methodEnd) === name;
  }

  /** Also with a dot as `%2e`, and with a parameter (`..;x`), which some servers cut off before they resolve it. */
  private checkSegments(): Refusal | null {
    const { bytes, targetEnd } = this;
    for (let at = this.pathStart; at < targetEnd && bytes[at] !== QUESTION; at++) {
      if (bytes[at] !== SLASH) continue;
      let dots = 0;
      let next = at + 1;
      for (let length = dotAt(bytes, next); length > 0; length = dotAt(bytes, next)) {
        dots++;
        next += length;
      }
      const ended = next === targetEnd || [SLASH, QUESTION, SEMICOLON].includes(bytes[next] as number);
      if (ended && (dots === 1 || dots === 2)) return "dotSegment";
    }
    return null;
  }

  protected override notice(nameStart: number, nameEnd: number, from: number, to: number): Refusal | null {
    const { bytes } = this;
    const length = nameEnd - nameStart;
    if (length === 4 && equalsIgnoringCase(bytes, nameStart, nameEnd, "host")) return this.noticeHost(from, to);
    if (length === 6 && equalsIgnoringCase(bytes, nameStart, nameEnd, "expect")) {
      this.expectsContinue = equalsIgnoringCase(bytes, from, to, "100-continue");
      return null;
    }
    return super.notice(nameStart, nameEnd, from, to);
  }

  private noticeHost(from: number, to: number): Refusal | null {
    if (++this.hostFields > 1) return "hostTwice";
    if (!isHost(this.bytes, from, to)) return "host";
    if (this.absolute) {
      const named = this.text(from, to).toLowerCase();
      return equalsIgnoringCase(this.bytes, this.hostStart, this.hostEnd, named) ? null : "hostMismatch";
    }
    this.hostStart = from;
    this.hostEnd = to;
    return null;
  }

  private checkWhole(): Refusal | null {
    if (this.hostFields === 0 && this.version === 11) return "hostMissing";
    const framing = this.checkFraming();
    if (framing !== null) return framing;
    if (!this.hasBody) return null;
    if (this.isMethod("TRACE")) return "traceBody";
    return this.upgrade && !this.h2c ? "upgradeBody" : null;
  }
}

export class ResponseHead extends Head {
  status = 0;

  /** As `RequestHead.parse`. */
  parse(bytes: Buffer, start: number, end: number): Refusal | null {
    this.begin(bytes, start, end);
    // "HTTP/1.1 200 Reason"; the reason and the space before it may be missing.
    let at = start + VERSION.length + 1;
    if (!this.parseVersion(start) || bytes[at] !== SPACE) return "statusLine";
    let status = 0;
    for (let i = 0; i < 3; i++) {
      const byte = bytes[++at] as number;
      if (!((CLASSES[byte] as number) & DIGIT)) return "statusLine";
      status = status * 10 + byte - ZERO;
    }
    at++;
    if (status < 100 || (bytes[at] !== SPACE && bytes[at] !== CR)) return "statusLine";
    this.status = status;
    while (bytes[at] !== CR) at++;
    return this.parseFields(at + 2) ?? this.checkFraming() ?? this.checkStatus();
  }

  /** RFC 9110 sections 15.2, 15.3.5: none of these has a body, so a length would be read by one side and not by the other. */
  private checkStatus(): Refusal | null {
    const bodiless = this.status < 200 || this.status === 204;
    return bodiless && (this.chunked || this.contentLength > 0) ? "bodyNotAllowed" : null;
  }
}

/** Whether the bytes are `lower` with underscores for hyphens. */
function aliases(bytes: Buffer, from: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[from + i] as number;
    const folded = byte >= 65 && byte <= 90 ? byte | 32 : byte;
    if ((folded === UNDERSCORE ? HYPHEN : folded) !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** Length of a dot at `at`, plain or percent-encoded; 0: none. */
function dotAt(bytes: Buffer, at: number): number {
  if (bytes[at] === DOT) return 1;
  return bytes[at] === PERCENT && bytes[at + 1] === 50 && ((bytes[at + 2] as number) | 32) === 101 ? 3 : 0;
}

/** `name`, `1.2.3.4` or `[::1]`, and perhaps `:` and a port. */
function isHost(bytes: Buffer, from: number, to: number): boolean {
  let at = from;
  const bracketed = bytes[from] === 91;
  for (; at < to; at++) {
    const byte = bytes[at] as number;
    if (!((CLASSES[byte] as number) & HOST)) return false;
    if (bracketed ? byte === 93 : byte === COLON) break;
    if (byte === 93 || (byte === 91 && at > from)) return false;
  }
  if (bracketed) {
    if (at === to || at === from + 1) return false;
    at++;
  } else if (at === from) return false;
  return at === to || (bytes[at] === COLON && isPort(bytes, at + 1, to));
}

function isPort(bytes: Buffer, from: number, to: number): boolean {
  if (to === from || to - from > 5) return false;
  for (let i = from; i < to; i++) if (!((CLASSES[bytes[i] as number] as number) & DIGIT)) return false;
  return true;
}
