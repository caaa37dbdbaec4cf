/**
 * DNS messages (RFC 1035), as far as a proxy has to understand them: one question, and what its answer says of the name.
 *
 * Strict, since whoever is asked next may read a doubtful message another way: the whole message has to parse, to its last
 * byte; a pointer points back; a name has letters that a name can be written with, so that none has a dot inside a label. What
 * was read is forwarded as it came.
 */
import { formatAddress } from "../objects/address.ts";

/** The question of a query. */
export interface Question {
  readonly id: number;
  /** As sent, without the dot of the root: `.` alone is the root. */
  readonly name: string;
  readonly type: number;
  /** Bytes of the header and the question. */
  readonly length: number;
}

/** What an answer says of the name that was asked for. */
export interface Answer {
  readonly rcode: number;
  /** Canonical text: of the name, or of what CNAMEs say that it stands for. */
  readonly addresses: readonly string[];
  /** Seconds: the least of the records that led to the addresses; 0 without any. */
  readonly ttl: number;
}

export const RCODE = { noError: 0, serverFailure: 2, refused: 5 } as const;

const HEADER = 12;
const CLASS_IN = 1;
const TYPE = { a: 1, cname: 5, aaaa: 28 } as const;
const MAX_NAME = 255;
const MAX_LABEL = 63;
/** Of a chain of CNAMEs. */
const MAX_CHAIN = 16;
const MAX_RECORDS = 1000;

// Bits of the third and fourth byte.
const FLAG = {
  response: 0x8000,
  opcode: 0x7800,
  recursionDesired: 0x0100,
  recursionAvailable: 0x0080,
  rcode: 0x000f,
} as const;

/** Names of the types that are most asked for; others are written `TYPE` and the number (RFC 3597). */
// prettier-ignore
const TYPE_NAMES: ReadonlyMap<number, string> = new Map([
  [1, "A"], [2, "NS"], [5, "CNAME"], [6, "SOA"], [12, "PTR"], [15, "MX"], [16, "TXT"], [28, "AAAA"], [33, "SRV"], [64, "SVCB"],
  [65, "HTTPS"], [255, "ANY"],
]);

/** IANA's names of response codes. */
// prettier-ignore
const RCODE_NAMES = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE"];

export function rcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? `RCODE${rcode}`;
}

export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `TYPE${type}`;
}

/** The one question of an ordinary query of class IN; null: it is something else, or malformed. */
export function readQuery(bytes: Uint8Array): Question | null {
  return parse(() => {
    const reader = new Reader(bytes);
    const { flags, counts } = reader.header();
    const [questions, answers, authorities, additional] = counts;
    if ((flags & (FLAG.response | FLAG.opcode)) !== 0) throw MALFORMED;
    if (questions !== 1 || answers !== 0 || authorities !== 0) throw MALFORMED;
    const question = reader.question();
    for (let i = 0; i < additional; i++) reader.record();
    reader.end();
    return question;
  });
}

/** What a message says in answer to a query; null: it is no answer to it, or malformed. */
export function readAnswer(bytes: Uint8Array, asked: Question): Answer | null {
  return parse(() => {
    const reader = new Reader(bytes);
    const { id, flags, counts } = reader.header();
    const [questions, answers, authorities, additional] = counts;
    if (id !== asked.id || (flags & FLAG.response) === 0 || (flags & FLAG.opcode) !== 0) throw MALFORMED;
    if (questions !== 1 || answers + authorities + additional > MAX_RECORDS) throw MALFORMED;
    const { name, type } = reader.question();
    if (!isSameName(name, asked.name) || type !== asked.type) throw MALFORMED;
    const records = Array.from({ length: answers }, () => reader.record());
    for (let i = 0; i < authorities + additional; i++) reader.record();
    reader.end();
    return { rcode: flags & FLAG.rcode, ...resolve(name, records) };
  });
}

/** The answer without records to a query. `query`: its bytes. */
export function replyTo(query: Uint8Array, { length }: Question, rcode: number): Uint8Array {
  const reply = query.slice(0, length);
  const view = new DataView(reply.buffer);
  view.setUint16(2, FLAG.response | (view.getUint16(2) & FLAG.recursionDesired) | FLAG.recursionAvailable | rcode);
  view.setUint16(10, 0);
  return reply;
}

interface Row {
  readonly name: string;
  readonly type: number;
  readonly ttl: number;
  /** An address, or the name that a CNAME gives; null: a record of another type. */
  readonly value: string | null;
}

const MALFORMED = new Error("malformed");

function parse<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error === MALFORMED) return null;
    throw error;
  }
}

/** Follows CNAMEs from a name to its addresses. */
function resolve(name: string, records: readonly Row[]): Pick<Answer, "addresses" | "ttl"> {
  const addresses = new Set<string>();
  let ttl = Infinity;
  let current = name.toLowerCase();
  for (let step = 0; step < MAX_CHAIN; step++) {
    const own = records.filter((record) => record.value !== null && record.name.toLowerCase() === current);
    for (const record of own) ttl = Math.min(ttl, record.ttl);
    const alias = own.find(({ type }) => type === TYPE.cname);
    for (const { type, value } of own) if (type !== TYPE.cname && value !== null) addresses.add(value);
    if (alias?.value == null) break;
    current = alias.value.toLowerCase();
  }
  return addresses.size === 0 ? { addresses: [], ttl: 0 } : { addresses: [...addresses], ttl };
}

function isSameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** Reads from the start of a message on; throws MALFORMED. */
class Reader {
  private readonly bytes: Uint8Array;
  private readonly view: DataView;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  header(): {
    readonly id: number;
    readonly flags: number;
    readonly counts: readonly [number, number, number, number];
  } {
    this.need(HEADER);
    const [id, flags, ...counts] = [0, 2, 4, 6, 8, 10].map((at) => this.view.getUint16(at)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    this.at = HEADER;
    return { id, flags, counts };
  }

  question(): Question {
    const name = this.name();
    const [type, kind] = [this.uint16(), this.uint16()];
    if (kind !== CLASS_IN) throw MALFORMED;
    return { id: this.view.getUint16(0), name, type, length: this.at };
  }

  record(): Row {
    const name = this.name();
    const [type, kind] = [this.uint16(), this.uint16()];
    this.need(4);
    const ttl = this.view.getUint32(this.at);
    this.at += 4;
    const length = this.uint16();
    this.need(length);
    const end = this.at + length;
    const value = kind === CLASS_IN ? this.value(type, length) : null;
    if (value !== null && this.at !== end) throw MALFORMED;
    this.at = end;
    // RFC 2181, 8: with the highest bit set it counts as 0.
    return { name, type, ttl: ttl > 0x7fffffff ? 0 : ttl, value };
  }

  end(): void {
    if (this.at !== this.bytes.length) throw MALFORMED;
  }

  private value(type: number, length: number): string | null {
    switch (type) {
      case TYPE.a:
        return this.address(4, length);
      case TYPE.aaaa:
        return this.address(16, length);
      case TYPE.cname:
        return this.name();
      default:
        return null;
    }
  }

  /** Null: an IPv4 address in IPv6 clothes, which could be a pod's and is not asked for that way. */
  private address(size: 4 | 16, length: number): string | null {
    if (length !== size) throw MALFORMED;
    let bits = 0n;
    for (let i = 0; i < size; i++) bits = (bits << 8n) | BigInt(this.bytes[this.at + i] ?? 0);
    this.at += size;
    if (size === 16 && bits >> 32n === MAPPED) return null;
    return formatAddress({ family: size === 4 ? 4 : 6, bits });
  }

  /** A name, compressed or not. */
  private name(): string {
    const labels: string[] = [];
    let from = this.at;
    let jumped = false;
    let length = 1;
    for (;;) {
      const size = this.byteAt(from);
      if ((size & 0xc0) === 0xc0) {
        const target = ((size & 0x3f) << 8) | this.byteAt(from + 1);
        if (!jumped) this.at = from + 2;
        jumped = true;
        if (target >= from || target < HEADER) throw MALFORMED;
        // Back again and again, so it ends; a label read twice makes the name too long.
        from = target;
        continue;
      }
      if (size === 0) break;
      length += size + 1;
      if (size > MAX_LABEL || length > MAX_NAME) throw MALFORMED;
      labels.push(this.label(from + 1, size));
      from += size + 1;
    }
    if (!jumped) this.at = from + 1;
    return labels.length === 0 ? "." : labels.join(".");
  }

  private label(from: number, size: number): string {
    let text = "";
    for (let at = from; at < from + size; at++) {
      const byte = this.byteAt(at);
      if (byte <= 0x20 || byte >= 0x7f || byte === DOT) throw MALFORMED;
      text += String.fromCharCode(byte);
    }
    return text;
  }

  private uint16(): number {
    this.need(2);
    this.at += 2;
    return this.view.getUint16(this.at - 2);
  }

  private byteAt(at: number): number {
    const byte = this.bytes[at];
    if (byte === undefined) throw MALFORMED;
    return byte;
  }

  private need(length: number): void {
    if (this.at + length > this.bytes.length) throw MALFORMED;
  }
}

const DOT = 0x2e;
/** ::ffff:0:0/96. */
const MAPPED = 0xffffn;
