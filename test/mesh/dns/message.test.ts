// DNS messages: what is read, what is refused, and that nothing makes the reader fail otherwise.
import { describe, expect, test } from "vitest";
import { rcodeName, readAnswer, readQuery, replyTo, typeName } from "../../../mesh/dns/message.ts";
import type { Question } from "../../../mesh/dns/message.ts";
import { seededRandom } from "../policy/random.ts";

const ID = 0x1234;
const A = 1;
const AAAA = 28;
const QUERY = 0x0100;
const ANSWER = 0x8180;

const u16 = (value: number): number[] => [value >> 8, value & 255];
const u32 = (value: number): number[] => [...u16(value >>> 16), ...u16(value & 0xffff)];
const text = (value: string): number[] => Array.from(value, (c) => c.charCodeAt(0));
const label = (value: string): number[] => [value.length, ...text(value)];
/** Uncompressed; "" is the root. */
const name = (value: string): number[] => [...(value === "" ? [] : value.split(".").flatMap(label)), 0];
const pointer = (to: number): number[] => u16(0xc000 | to);
const question = (asked: string, type = A, kind = 1): number[] => [...name(asked), ...u16(type), ...u16(kind)];
const record = (owner: readonly number[], type: number, ttl: number, data: readonly number[], kind = 1): number[] => [
  ...[...owner, ...u16(type), ...u16(kind), ...u32(ttl)],
  ...[...u16(data.length), ...data],
];
const header = (flags: number, ...counts: readonly [number, number?, number?, number?]): number[] => [
  ...u16(ID),
  ...u16(flags),
  ...[0, 1, 2, 3].flatMap((i) => u16(counts[i] ?? 0)),
];
const OPT = [0, ...u16(41), ...u16(1232), ...u32(0), ...u16(0)];
/** Where the question's name stands. */
const ASKED = pointer(12);

const bytes = (...parts: readonly (readonly number[])[]): Uint8Array => Uint8Array.from(parts.flat());
const LONG = Array.from({ length: 4 }, () => "a".repeat(63)).join(".");

describe("queries", () => {
  // prettier-ignore
  const read: readonly [what: string, query: Uint8Array, name: string, type: number][] = [
    ["a name",                 bytes(header(QUERY, 1), question("www.example.com")),                  "www.example.com", A],
    ["case stays",             bytes(header(QUERY, 1), question("wWw.ExAmple.com", AAAA)),            "wWw.ExAmple.com", AAAA],
    ["the root",               bytes(header(QUERY, 1), question("", 2)),                              ".", 2],
    ["underscores and others", bytes(header(QUERY, 1), question("_http._tcp.a-b.c*d", 33)),           "_http._tcp.a-b.c*d", 33],
    ["extensions",             bytes(header(QUERY, 1, 0, 0, 1), question("x.y"), OPT),                "x.y", A],
    ["a label of 63",          bytes(header(QUERY, 1), question("a".repeat(63))),                     "a".repeat(63), A],
  ];
  test.each(read)("%s", (_what, query, asked, type) => {
    expect(readQuery(query)).toEqual({
      id: ID,
      name: asked,
      type,
      length: query.length - (query[11] === 1 ? OPT.length : 0),
    });
  });

  // prettier-ignore
  const refused: readonly [what: string, query: Uint8Array][] = [
    ["nothing",                       bytes()],
    ["half a header",                 bytes(header(QUERY, 1).slice(0, 11))],
    ["no question",                   bytes(header(QUERY, 0))],
    ["two questions",                 bytes(header(QUERY, 2), question("a.b"), question("evil.net"))],
    ["an answer",                     bytes(header(ANSWER, 1), question("a.b"))],
    ["an update",                     bytes(header(0x2800, 1), question("a.b"))],
    ["with an answer",                bytes(header(QUERY, 1, 1), question("a.b"), record(ASKED, A, 1, [1, 2, 3, 4]))],
    ["with an authority",             bytes(header(QUERY, 1, 0, 1), question("a.b"), record(ASKED, A, 1, [1, 2, 3, 4]))],
    ["another class",                 bytes(header(QUERY, 1), question("a.b", A, 3))],
    ["bytes after the end",           bytes(header(QUERY, 1), question("a.b"), [0])],
    ["extensions that are not there", bytes(header(QUERY, 1, 0, 0, 1), question("a.b"))],
    ["a question that is cut",        bytes(header(QUERY, 1), question("a.b").slice(0, -1))],
    ["a name that is cut",            bytes(header(QUERY, 1), [3, 0x61])],
    ["a dot in a label",              bytes(header(QUERY, 1), [...label("evil.net"), 0, ...u16(A), ...u16(1)])],
    ["a zero byte in a label",        bytes(header(QUERY, 1), question("a\0b"))],
    ["a space in a label",            bytes(header(QUERY, 1), question("a b"))],
    ["a byte over 126",               bytes(header(QUERY, 1), question("a\u00e9"))],
    ["a name of more than 255",       bytes(header(QUERY, 1), question(LONG))],
    ["a label of 64",                 bytes(header(QUERY, 1), question("a".repeat(64)))],
    ["a pointer to itself",           bytes(header(QUERY, 1), [...ASKED, ...u16(A), ...u16(1)])],
    ["a pointer into the header",     bytes(header(QUERY, 1), [...pointer(0), ...u16(A), ...u16(1)])],
    ["a pointer forward",             bytes(header(QUERY, 1), [...pointer(20), ...u16(A), ...u16(1), ...name("a.b")])],
    ["a pointer that makes a loop",   bytes(header(QUERY, 1), [...label("a"), ...ASKED, ...u16(A), ...u16(1)])],
  ];
  test.each(refused)("not with %s", (_what, query) => expect(readQuery(query)).toBeNull());
});

describe("answers", () => {
  const asked: Question = { id: ID, name: "www.Example.com", type: A, length: 33 };
  const answer = (...records: readonly (readonly number[])[]): Uint8Array =>
    bytes(header(ANSWER, 1, records.length), question("www.example.COM"), ...records);
  const four = (last: number): number[] => [192, 0, 2, last];
  const alias = (from: readonly number[], to: string, ttl: number): number[] => record(from, 5, ttl, name(to));

  // prettier-ignore
  const read: readonly [what: string, message: Uint8Array, addresses: readonly string[], ttl: number][] = [
    ["an address",                       answer(record(ASKED, A, 300, four(1))),                                    ["192.0.2.1"], 300],
    ["two, the shorter time",            answer(record(ASKED, A, 300, four(1)), record(ASKED, A, 20, four(2))),     ["192.0.2.1", "192.0.2.2"], 20],
    ["the same twice",                   answer(record(ASKED, A, 9, four(1)), record(ASKED, A, 9, four(1))),        ["192.0.2.1"], 9],
    ["IPv6 beside it",                   answer(record(ASKED, AAAA, 5, [0x20, 1, 0xd, 0xb8, ...Array<number>(11).fill(0), 7])), ["2001:db8::7"], 5],
    ["IPv4 in IPv6 clothes: not",        answer(record(ASKED, AAAA, 5, [...Array<number>(10).fill(0), 255, 255, ...four(1)])), [], 0],
    ["an alias",                         answer(alias(ASKED, "a.cdn.net", 10), record(name("A.cdn.net"), A, 60, four(3))), ["192.0.2.3"], 10],
    ["a chain, in any order",            answer(record(name("c.net"), A, 60, four(4)), alias(name("b.net"), "c.net", 7), alias(ASKED, "b.net", 10)), ["192.0.2.4"], 7],
    ["somebody else's address: not",     answer(record(name("evil.net"), A, 60, four(5))),                          [], 0],
    ["an alias that leads elsewhere",    answer(alias(ASKED, "a.cdn.net", 10), record(name("b.cdn.net"), A, 60, four(6))), [], 0],
    ["aliases in a circle",              answer(alias(ASKED, "b.net", 10), alias(name("b.net"), "www.example.com", 10)), [], 0],
    ["other records beside it",          answer(record(ASKED, 16, 1, label("text")), record(ASKED, A, 60, four(7))), ["192.0.2.7"], 60],
    ["another class: not",               answer(record(ASKED, A, 60, four(8), 3)),                                  [], 0],
    ["TTL 0",                            answer(record(ASKED, A, 0, four(9))),                                      ["192.0.2.9"], 0],
    ["a negative TTL is 0",              answer(record(ASKED, A, 0x80000001, four(9))),                             ["192.0.2.9"], 0],
    ["nothing",                          answer(),                                                                  [], 0],
  ];
  test.each(read)("%s", (_what, message, addresses, ttl) => {
    expect(readAnswer(message, asked)).toEqual({ rcode: 0, addresses, ttl });
  });

  test("an error has its code", () => {
    expect(readAnswer(bytes(header(0x8183, 1), question("www.example.com")), asked)?.rcode).toBe(3);
  });

  // prettier-ignore
  const refused: readonly [what: string, message: Uint8Array][] = [
    ["another number",               bytes([0x12, 0x35], [...answer().slice(2)])],
    ["another name",                 bytes(header(ANSWER, 1), question("www.example.net"))],
    ["another type",                 bytes(header(ANSWER, 1), question("www.example.com", AAAA))],
    ["no question",                  bytes(header(ANSWER, 0))],
    ["a query",                      bytes(header(QUERY, 1), question("www.example.com"))],
    ["fewer records than it says",   bytes(header(ANSWER, 1, 2), question("www.example.com"), record(ASKED, A, 1, four(1)))],
    ["more bytes than it says",      bytes(header(ANSWER, 1, 0), question("www.example.com"), record(ASKED, A, 1, four(1)))],
    ["an address of five bytes",     answer(record(ASKED, A, 1, [...four(1), 5]))],
    ["an alias with a rest",         answer(record(ASKED, 5, 1, [...name("a.b"), 1]))],
    ["a record beyond the end",      answer(record(ASKED, A, 1, four(1)).slice(0, -1))],
    ["too many records",             bytes(header(ANSWER, 1, 0xffff), question("www.example.com"))],
  ];
  test.each(refused)("not with %s", (_what, message) => expect(readAnswer(message, asked)).toBeNull());
});

test("a reply has the question, its code and nothing else", () => {
  const query = bytes(header(QUERY, 1, 0, 0, 1), question("a.b"), OPT);
  const asked = readQuery(query) as Question;
  expect(replyTo(query, asked, 5)).toEqual(bytes(header(0x8185, 1), question("a.b")));
  expect(readAnswer(replyTo(query, asked, 5), asked)).toEqual({ rcode: 5, addresses: [], ttl: 0 });
});

test("names of types and codes", () => {
  expect([typeName(28), typeName(4711), rcodeName(3), rcodeName(15)]).toEqual([
    "AAAA",
    "TYPE4711",
    "NXDOMAIN",
    "RCODE15",
  ]);
});

test("random damage: read or refused in bounded time, and what is read is what a plain reader reads", () => {
  const seed = Number(process.env["SEED"] ?? Date.now() % 1_000_000);
  const random = seededRandom(seed);
  const good = [
    bytes(header(QUERY, 1, 0, 0, 1), question("www.example.com"), OPT),
    bytes(
      header(ANSWER, 1, 2),
      question("www.example.com"),
      record(ASKED, 5, 9, [...label("cdn"), ...pointer(16)]),
      record(pointer(45), A, 5, [1, 2, 3, 4]),
    ),
  ];
  const asked: Question = { id: ID, name: "www.example.com", type: A, length: 33 };
  let readable = 0;
  for (let round = 0; round < 20_000; round++) {
    const message = Uint8Array.from(good[round % 2] ?? []);
    const changes = 1 + random.below(3);
    for (let i = 0; i < changes; i++) message[random.below(message.length)] = random.below(256);
    const cut = random.below(8) === 0 ? message.subarray(0, random.below(message.length)) : message;
    const query = readQuery(cut);
    const answer = readAnswer(cut, asked);
    if (query !== null) {
      readable++;
      expect([seed, round, query.name]).toEqual([seed, round, plainName(cut)]);
    }
    if (answer !== null) readable++;
    for (const address of answer?.addresses ?? []) expect(address).toMatch(/^[0-9a-f.:]+$/);
  }
  expect([seed, readable > 1000]).toEqual([seed, true]);
});

/** The first name, which nothing comes before that a pointer could mean. */
function plainName(message: Uint8Array): string {
  const labels: string[] = [];
  let at = 12;
  for (let size = message[at] ?? 0; size !== 0; size = message[at] ?? 0) {
    labels.push(String.fromCharCode(...message.subarray(at + 1, at + 1 + size)));
    at += size + 1;
  }
  return labels.length === 0 ? "." : labels.join(".");
}
