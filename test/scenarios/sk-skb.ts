/**
 * sk_skb: programs that judge what sockets of a sockmap or sockhash receive, message by message where a parser finds them.
 * All play `programs/sk-skb.ts`.
 *
 * The cast: two connections over the loopback, `a` to `b` and `c` to `d`. What `a` sends is judged when it comes to `b`.
 * The senders do not wait for acknowledgements (TCP_NODELAY), so that each message comes in a segment of its own.
 */
import type { Attachment, MapValue, Payload, Preset, Scenario, Step } from "./script.ts";
import {
  close,
  createRandom,
  dump,
  events,
  getopt,
  open,
  pair,
  preset,
  put,
  receiver,
  recv,
  recvfrom,
  scenariosOf,
  send,
  sendto,
  setopt,
  shutdown,
  steps,
} from "./vocabulary.ts";

/** Ports of the four sockets, and of two UDP sockets. */
const PORT = { a: 5000, b: 8080, c: 5001, d: 8081, u: 9000, v: 9001 } as const;
type Name = keyof typeof PORT;
const INDEX: Readonly<Record<Name, number>> = { a: 0, b: 1, c: 2, d: 3, u: 4, v: 5 };

const prompt = (...names: readonly Name[]): readonly Step[] =>
  names.map((name) => setopt(name, "SOL_TCP", "TCP_NODELAY", 1));
const CAST = steps(
  pair("a", "127.0.0.1:5000", "b", "127.0.0.1:8080"),
  pair("c", "127.0.0.1:5001", "d", "127.0.0.1:8081"),
  prompt("a", "b", "c", "d"),
);
const CAST6 = steps(
  pair("a", "[::1]:5000", "b", "[::1]:8080"),
  pair("c", "[::1]:5001", "d", "[::1]:8081"),
  prompt("a", "b", "c", "d"),
);

const FRAMING = { whole: 0, fixed: 1, length: 2, fail: 3 } as const;
const ACTION = { redirectMap: 1, redirectHash: 2, write: 4, tail: 8 } as const;

interface Rule {
  readonly drop?: 1;
  readonly actions?: number;
  readonly index?: number;
  readonly ingress?: 1;
  readonly tail?: number;
}

/** The call from which on a rule holds for ever: LAST in the program. */
const ALWAYS = 9;
const DROP: Rule = { drop: 1 };
const PASS: Rule = {};
const into = (name: Name, rule: Rule = PASS): Rule => ({
  ...rule,
  actions: (rule.actions ?? 0) | ACTION.redirectMap,
  index: INDEX[name],
  ingress: 1,
});
const outOf = (name: Name, rule: Rule = PASS): Rule => ({
  ...rule,
  actions: (rule.actions ?? 0) | ACTION.redirectMap,
  index: INDEX[name],
});
const hashed = (rule: Rule): Rule => ({
  ...rule,
  actions: ((rule.actions ?? 0) & ~ACTION.redirectMap) | ACTION.redirectHash,
});
const WRITE: Rule = { actions: ACTION.write };
const tail = (length: number): Rule => ({ actions: ACTION.tail, tail: length });

const rulesOf = (name: Name, rules: readonly Rule[]): readonly Preset[] =>
  rules.map(({ ...rule }, i) =>
    preset("o.rules", { port: PORT[name], call: i === rules.length - 1 ? ALWAYS : i }, rule as MapValue),
  );

/** Verdicts without a parser, or with one. */
const ALL: readonly Attachment[] = [{ program: "o.judgeAll", map: "o.sockets" }];
const PARSED: readonly Attachment[] = [
  { program: "o.parse", map: "o.sockets" },
  { program: "o.judgeParsed", map: "o.sockets" },
];

const putAll = (map: "o.sockets" | "o.hashed", ...names: readonly Name[]): readonly Step[] =>
  names.map((name) => put(name, map, INDEX[name]));

interface Setting {
  readonly before?: readonly Step[];
  readonly attach?: readonly Attachment[];
  /** How the parser finds messages. */
  readonly framing?: { readonly framing: number; readonly size?: number };
}

function played(
  name: string,
  rules: Partial<Record<Name, readonly Rule[]>>,
  parts: readonly Step[],
  setting: Setting = {},
): Omit<Scenario, "hook"> {
  const { before = steps(CAST, putAll("o.sockets", "b", "c", "d")), attach = ALL, framing } = setting;
  return {
    name: `sk_skb: ${name}`,
    objects: { o: "sk-skb" },
    attach,
    presets: [
      ...(Object.keys(rules) as Name[]).flatMap((socket) => rulesOf(socket, rules[socket] ?? [])),
      ...(framing === undefined ? [] : [preset("o.parsers", 0, framing)]),
    ],
    steps: steps(before, parts, events("o.calls")),
  };
}

/** Everything that comes to these sockets, or that nothing does. */
const read = (...names: readonly Name[]): readonly Step[] => names.map((name) => recv(name, 100));

const VERDICTS = [
  played("passed", {}, steps(send("a", "hello"), read("b"))),
  played(
    "passed, and an answer that nobody judges",
    {},
    steps(send("a", "hello"), recv("b", 5), send("b", "world"), recv("a", 5)),
  ),
  played("dropped", { b: [DROP] }, steps(send("a", "hello"), read("b"))),
  played("dropped, then passed", { b: [DROP, PASS] }, steps(send("a", "lost"), send("a", "kept"), read("b"))),
  played("passed, then dropped", { b: [PASS, DROP] }, steps(send("a", "kept"), send("a", "lost"), read("b"))),
  played(
    "each segment is judged",
    {},
    steps(send("a", "one"), recv("b", 3), send("a", "two"), recv("b", 3), send("a", "three"), recv("b", 5)),
  ),
  played("a byte is changed", { b: [WRITE] }, steps(send("a", "hello"), read("b"))),
  played("shortened", { b: [tail(3)] }, steps(send("a", "hello"), read("b"))),
  played("made longer", { b: [tail(8)] }, steps(send("a", "hello"), read("b"))),
  played("a large message", {}, steps(send("a", { fill: "x", length: 8000 }), recv("b", 8000))),
  played("over IPv6", {}, steps(send("a", "hello"), read("b")), { before: steps(CAST6, putAll("o.sockets", "b")) }),
  played("with a sockhash", { b: [PASS, DROP] }, steps(send("a", "one"), recv("b", 3), send("a", "two"), read("b")), {
    before: steps(CAST, putAll("o.hashed", "b")),
    attach: [{ program: "o.judgeAll", map: "o.hashed" }],
  }),
  played(
    "only the sockets in the map are judged",
    { b: [DROP], d: [DROP] },
    steps(send("a", "x"), send("c", "y"), read("b", "d")),
    {
      before: steps(CAST, putAll("o.sockets", "b")),
    },
  ),
  played("both ends are judged", { a: [DROP] }, steps(send("a", "to b"), send("b", "to a"), read("b", "a")), {
    before: steps(CAST, putAll("o.sockets", "a", "b")),
  }),
  played(
    "readable when passed",
    {},
    steps(send("a", "hello"), { do: "poll", socket: "b", for: ["in", "out"] }, recv("b", 5), {
      do: "poll",
      socket: "b",
      for: ["out"],
    }),
  ),
  played(
    "not readable when dropped",
    { b: [DROP] },
    steps(send("a", "hello"), read("b"), { do: "poll", socket: "b", for: ["out"] }),
  ),
  played(
    "looked at, then read",
    {},
    steps(send("a", "hello"), { do: "recv", socket: "b", length: 5, flags: ["peek"], once: true }, recv("b", 5)),
  ),
  played("read in parts", {}, steps(send("a", "hello"), recv("b", 2), recv("b", 3))),
  // Data that was there before is judged when the socket enters the map.
  played("what came before is judged too", { b: [DROP] }, steps(read("b"), send("a", "late"), read("b")), {
    before: steps(CAST, send("a", "early"), { do: "poll", socket: "b", for: ["in"] }, putAll("o.sockets", "b")),
  }),
];

const REDIRECTED = [
  played("into another socket", { b: [into("d")] }, steps(send("a", "hello"), recv("d", 5), read("b", "c"))),
  played("into itself", { b: [into("b")] }, steps(send("a", "hello"), recv("b", 5))),
  played("out of another socket", { b: [outOf("c")] }, steps(send("a", "hello"), recv("d", 5), read("b"))),
  played("out of itself: an echo", { b: [outOf("b")] }, steps(send("a", "hello"), recv("a", 5), read("b"))),
  played(
    "a proxy both ways",
    { b: [outOf("c")], c: [outOf("b")], d: [PASS] },
    steps(send("a", "question"), recv("d", 8), send("d", "answer"), recv("a", 6), send("a", "thanks"), recv("d", 6)),
  ),
  played(
    "into a place without a socket",
    { b: [{ actions: ACTION.redirectMap, index: 7, ingress: 1 }] },
    steps(send("a", "hello"), read("b")),
  ),
  played(
    "into a place beyond the map",
    { b: [{ actions: ACTION.redirectMap, index: 99, ingress: 1 }] },
    steps(send("a", "hello"), read("b")),
  ),
  played(
    "into another socket by hash",
    { b: [hashed(into("d"))] },
    steps(send("a", "hello"), recv("d", 5), read("b")),
    { before: steps(CAST, putAll("o.sockets", "b"), putAll("o.hashed", "d")) },
  ),
  played("out of another socket by hash", { b: [hashed(outOf("c"))] }, steps(send("a", "hello"), recv("d", 5)), {
    before: steps(CAST, putAll("o.sockets", "b"), putAll("o.hashed", "c")),
  }),
  played("by hash, no such key", { b: [hashed(into("d"))] }, steps(send("a", "hello"), read("b", "d"))),
  played(
    "segments by turns here and there",
    { b: [PASS, into("d"), DROP, PASS] },
    steps(
      send("a", "1"),
      recv("b", 1),
      send("a", "2"),
      recv("d", 1),
      send("a", "3"),
      send("a", "4"),
      recv("b", 1),
      read("d"),
    ),
  ),
  played("changed and redirected", { b: [into("d", WRITE)] }, steps(send("a", "hello"), recv("d", 5))),
  played("shortened and redirected", { b: [into("d", tail(2))] }, steps(send("a", "hello"), recv("d", 2), read("d"))),
  played(
    "redirected out arrives at a judged socket",
    { b: [outOf("c")], d: [WRITE] },
    steps(send("a", "hello"), recv("d", 5)),
  ),
  played(
    "a large message into another socket",
    { b: [into("d")] },
    steps(send("a", { fill: "y", length: 8000 }), recv("d", 8000)),
  ),
  played(
    "a large message out of another socket",
    { b: [outOf("c")] },
    steps(send("a", { fill: "y", length: 8000 }), recv("d", 8000)),
  ),
  played("redirected over IPv6", { b: [into("d")] }, steps(send("a", "hello"), recv("d", 5)), {
    before: steps(CAST6, putAll("o.sockets", "b", "d")),
  }),
  played(
    "redirected from IPv4",
    { b: [outOf("c")] },
    steps(send("a", "one"), recv("d", 3), send("a", "two"), recv("d", 3)),
  ),
];

const PARSING = [
  played("parsed: the whole of what came", {}, steps(send("a", "hello"), read("b")), { attach: PARSED }),
  played("parsed: dropped", { b: [DROP] }, steps(send("a", "hello"), read("b")), { attach: PARSED }),
  played("parsed: fixed length, one message", {}, steps(send("a", "abcd"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played("parsed: fixed length, two messages in a segment", { b: [PASS] }, steps(send("a", "abcdefgh"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played(
    "parsed: fixed length, the second is dropped",
    { b: [PASS, DROP, PASS] },
    steps(send("a", "abcdefghijkl"), read("b")),
    { attach: PARSED, framing: { framing: FRAMING.fixed, size: 4 } },
  ),
  played("parsed: fixed length, the first is dropped", { b: [DROP, PASS] }, steps(send("a", "abcdefgh"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played(
    "parsed: fixed length, one message in two segments",
    {},
    steps(send("a", "ab"), read("b"), send("a", "cd"), read("b")),
    { attach: PARSED, framing: { framing: FRAMING.fixed, size: 4 } },
  ),
  played("parsed: fixed length, an unfinished message", {}, steps(send("a", "abcdef"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played(
    "parsed: fixed length, an unfinished message and the end",
    {},
    steps(send("a", "abcdef"), recv("b", 4), shutdown("a", "write"), read("b")),
    { attach: PARSED, framing: { framing: FRAMING.fixed, size: 4 } },
  ),
  played("parsed: length in front", {}, steps(send("a", "3ab"), recv("b", 3), send("a", "5defg"), recv("b", 5)), {
    attach: PARSED,
    framing: { framing: FRAMING.length },
  }),
  played("parsed: length in front, in parts", {}, steps(send("a", "6ab"), read("b"), send("a", "cde"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.length },
  }),
  // The program's first byte is the segment's, not the message's: the kernel gives no other view of the second message.
  played("parsed: length in front, two messages in a segment", {}, steps(send("a", "3ab3cd"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.length },
  }),
  played(
    "parsed: a length of nought waits for more",
    {},
    steps(send("a", "0ab"), read("b"), send("a", "cd"), read("b")),
    { attach: PARSED, framing: { framing: FRAMING.length } },
  ),
  played("parsed: a length shorter than what is there already", {}, steps(send("a", "hello"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 1 },
  }),
  played("parsed: the parser gives up", {}, steps(send("a", "hello"), read("b"), send("a", "again"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fail },
  }),
  played(
    "parsed: the parser gives up, the error",
    {},
    steps(send("a", "hello"), { do: "poll", socket: "b", for: ["err"] }, getopt("b", "SOL_SOCKET", "SO_ERROR")),
    { attach: PARSED, framing: { framing: FRAMING.fail } },
  ),
  played("parsed: a message too long for any buffer", {}, steps(send("a", "hello"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 100_000_000 },
  }),
  played("parsed: into another socket", { b: [into("d")] }, steps(send("a", "abcdefgh"), recv("d", 8), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played("parsed: out of another socket", { b: [outOf("c")] }, steps(send("a", "abcdefgh"), recv("d", 8), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played(
    "parsed: messages here and there",
    { b: [into("d"), PASS, outOf("c"), DROP, PASS] },
    steps(send("a", "aaaabbbbccccddddeeee"), recv("b", 8), recv("d", 8)),
    { attach: PARSED, framing: { framing: FRAMING.fixed, size: 4 } },
  ),
  played("parsed: a byte is changed", { b: [WRITE] }, steps(send("a", "abcd"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
  }),
  played("parsed: a large message", {}, steps(send("a", { fill: "z", length: 6000 }), recv("b", 6000)), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 6000 },
  }),
  played(
    "parsed: a large message in three segments",
    {},
    steps(
      send("a", { fill: "z", length: 2000 }),
      send("a", { fill: "z", length: 2000 }),
      send("a", { fill: "z", length: 2000 }),
      recv("b", 6000),
    ),
    { attach: PARSED, framing: { framing: FRAMING.fixed, size: 6000 } },
  ),
  played("parsed: over IPv6", {}, steps(send("a", "abcdefgh"), read("b")), {
    attach: PARSED,
    framing: { framing: FRAMING.fixed, size: 4 },
    before: steps(CAST6, putAll("o.sockets", "b")),
  }),
  played("parsed: with a sockhash", { b: [PASS, DROP] }, steps(send("a", "abcdefgh"), read("b")), {
    attach: [
      { program: "o.parse", map: "o.hashed" },
      { program: "o.judgeParsed", map: "o.hashed" },
    ],
    framing: { framing: FRAMING.fixed, size: 4 },
    before: steps(CAST, putAll("o.hashed", "b")),
  }),
];

const PROGRAMS = [
  played("programs: a parser alone", {}, steps(send("a", "hello"), read("b")), {
    attach: [{ program: "o.parse", map: "o.sockets" }],
  }),
  played(
    "programs: a verdict for parsed messages without a parser",
    { b: [DROP] },
    steps(send("a", "hello"), read("b")),
    { attach: [{ program: "o.judgeParsed", map: "o.sockets" }] },
  ),
  played(
    "programs: both kinds of verdict",
    {},
    steps(
      { do: "attach", attachment: { program: "o.judgeParsed", map: "o.sockets" } },
      { do: "attach", attachment: { program: "o.parse", map: "o.sockets" } },
      send("a", "hello"),
      read("b"),
    ),
  ),
  played(
    "programs: detached",
    { b: [DROP] },
    steps(send("a", "lost"), read("b"), { do: "detach", id: "o.judgeAll" }, send("a", "later"), read("b")),
  ),
  played(
    "programs: detached, a new member is not judged",
    { d: [DROP] },
    steps({ do: "detach", id: "o.judgeAll" }, putAll("o.sockets", "d"), send("c", "kept"), read("d")),
    {
      before: steps(CAST, putAll("o.sockets", "b")),
    },
  ),
  played(
    "programs: attached after the members",
    { b: [DROP] },
    steps({ do: "attach", attachment: ALL[0] as Attachment }, send("a", "hello"), read("b")),
    { attach: [] },
  ),
  played(
    "programs: attached, and members put again",
    { b: [DROP] },
    steps({ do: "attach", attachment: ALL[0] as Attachment }, putAll("o.sockets", "b"), send("a", "hello"), read("b")),
    { attach: [] },
  ),
];

const MEMBERS = [
  played(
    "members: taken out, no longer judged",
    { b: [DROP] },
    steps(send("a", "lost"), read("b"), { do: "delete", map: "o.sockets", key: 1 }, send("a", "kept"), read("b")),
  ),
  played(
    "members: the target is taken out",
    { b: [into("d")] },
    steps({ do: "delete", map: "o.sockets", key: 3 }, send("a", "hello"), read("b", "d")),
  ),
  played(
    "members: a listener and a socket without a connection",
    {},
    steps(open("tcp4", "idle"), put("idle", "o.sockets", 6), put("b-listener", "o.sockets", 7), dump("o.sockets")),
  ),
  played(
    "members: closed sockets leave",
    {},
    steps(close("d"), dump("o.sockets"), close("b"), close("c"), dump("o.sockets")),
  ),
  // The end of a stream is judged as well: a segment without data.
  played(
    "ends: the sender closes after a passed message",
    {},
    steps(send("a", "bye"), { do: "poll", socket: "b", for: ["in"] }, close("a"), read("b")),
  ),
  played(
    "ends: the sender closes after a dropped message",
    { b: [DROP] },
    steps(send("a", "bye"), close("a"), read("b")),
  ),
  played(
    "ends: the sender closes after a redirected message",
    { b: [into("d")] },
    steps(send("a", "bye"), recv("d", 3), close("a"), read("b", "d")),
  ),
  played("ends: the target is closed", { b: [into("d")] }, steps(close("d"), send("a", "hello"), read("b"))),
  played(
    "ends: the target's peer is closed",
    { b: [outOf("c")] },
    steps(close("d"), recv("c"), send("a", "hello"), read("b")),
  ),
  played(
    "ends: the judged socket closes, what it redirected stays",
    { b: [into("d")] },
    steps(send("a", "hello"), { do: "poll", socket: "d", for: ["in"] }, close("b"), read("d", "a")),
  ),
  played(
    "ends: half closed, then a message back",
    {},
    steps(send("a", "last"), shutdown("a", "write"), recv("b", 4), send("b", "reply"), recv("a", 5)),
  ),
];

// ---- datagrams

const UDP = steps(
  receiver("u", "127.0.0.1:9000"),
  receiver("v", "127.0.0.1:9001"),
  open("udp4", "w"),
  { do: "bind", socket: "w", address: "127.0.0.1:5003" } as const,
  putAll("o.sockets", "u", "v"),
);

const DATAGRAMS = [
  played("udp: passed", {}, steps(sendto("w", "127.0.0.1:9000", "hello"), recvfrom("u")), { before: UDP }),
  played("udp: dropped", { u: [DROP] }, steps(sendto("w", "127.0.0.1:9000", "hello"), recv("u")), { before: UDP }),
  played(
    "udp: into another socket",
    { u: [into("v")] },
    steps(sendto("w", "127.0.0.1:9000", "hello"), recv("v"), recv("u")),
    { before: UDP },
  ),
  // Only a connected UDP socket can be a target.
  played(
    "udp: into a connected socket",
    { u: [into("v")] },
    steps(
      { do: "connect", socket: "v", address: "127.0.0.1:5003" },
      sendto("w", "127.0.0.1:9000", "hello"),
      recv("v"),
      recv("u"),
    ),
    { before: UDP },
  ),
  played(
    "udp: a TCP segment into a connected UDP socket",
    { b: [into("v")] },
    steps({ do: "connect", socket: "v", address: "127.0.0.1:5003" }, send("a", "hello"), recv("v")),
    { before: steps(CAST, UDP, putAll("o.sockets", "b")) },
  ),
  played(
    "udp: by turns",
    { u: [DROP, PASS, into("v"), PASS] },
    steps(
      sendto("w", "127.0.0.1:9000", "one"),
      sendto("w", "127.0.0.1:9000", "two"),
      recv("u"),
      sendto("w", "127.0.0.1:9000", "three"),
      recv("v"),
    ),
    { before: UDP },
  ),
  played(
    "udp: a datagram from the map keeps its borders",
    {},
    steps(sendto("w", "127.0.0.1:9000", "one"), sendto("w", "127.0.0.1:9000", "two"), recv("u"), recv("u")),
    { before: UDP },
  ),
  played("udp: changed", { u: [WRITE] }, steps(sendto("w", "127.0.0.1:9000", "hello"), recv("u")), { before: UDP }),
  played("udp: into a TCP socket", { u: [into("d")] }, steps(sendto("w", "127.0.0.1:9000", "hello"), recv("d", 5)), {
    before: steps(CAST, UDP, putAll("o.sockets", "d")),
  }),
  played("udp: a TCP segment into a UDP socket", { b: [into("u")] }, steps(send("a", "hello"), recv("u")), {
    before: steps(CAST, UDP, putAll("o.sockets", "b")),
  }),
  played("udp: with a parser", {}, steps(putAll("o.sockets", "u"), sendto("w", "127.0.0.1:9000", "hello"), recv("u")), {
    before: UDP.slice(0, -2),
    attach: PARSED,
  }),
];

// ---- generated

function generated(seed: number): Omit<Scenario, "hook"> {
  const random = createRandom(seed);
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T;
  const one = (): Rule => pick<Rule>([PASS, PASS, DROP, into("d"), outOf("c"), WRITE, into("d", WRITE)]);
  const size = 2 + random(4);
  const parsed = random(2) === 0;
  const texts: readonly Payload[] = ["alpha", "bravo!", "charlie", "de", "echo echo echo"];
  // Each message is read before the next is sent: where it went is then seen from the order of answers.
  const messages = Array.from({ length: 3 + random(3) }, () => steps(send("a", pick(texts)), read("b", "d")));
  return played(
    `generated, seed ${seed}`,
    { b: [one(), one(), one(), one()] },
    steps(...messages),
    parsed ? { attach: PARSED, framing: { framing: FRAMING.fixed, size } } : {},
  );
}

// What programs send out through a socket a worker of the kernel sends; which small messages then travel in one segment is a
// matter of time. These seeds would show that.
const JOINED = new Set([4, 10, 54]);
const GENERATED = Array.from({ length: 115 }, (_, seed) => seed)
  .filter((seed) => !JOINED.has(seed))
  .map(generated);

export const SK_SKB: readonly Scenario[] = scenariosOf("sk_skb", [
  ...VERDICTS,
  ...REDIRECTED,
  ...PARSING,
  ...PROGRAMS,
  ...MEMBERS,
  ...DATAGRAMS,
  ...GENERATED,
]);
