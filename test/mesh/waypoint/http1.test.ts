/** The HTTP/1.1 conversation as a machine: pieces cut anywhere, responses of every framing, and another parser's opinion. */
import { createServer } from "node:http";
import { Duplex } from "node:stream";
import { describe, expect, test } from "vitest";
import { cut, Machine, randomFrom } from "./machine.ts";
import type { Transcript } from "./machine.ts";
import { rules } from "./rig.ts";
import { SHAPES } from "./shapes.ts";

const POLICY = rules({ path: "/ok.*" });
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";

/** All pieces from the client, then answers while one is awaited, then the client's end. */
function converse(pieces: readonly string[]): Transcript {
  const machine = new Machine(POLICY);
  for (const piece of pieces) machine.client(piece);
  for (let i = 0; i < 4 && machine.conversation.waitsFor === "exchange"; i++) machine.server(ANSWER);
  machine.conversation.clientEnded();
  return machine.seen;
}

describe("requests cut into pieces", () => {
  test.each(SHAPES)("%s", (_name, bytes) => {
    const whole = converse([bytes]);
    const step = Math.ceil(bytes.length / 300);
    const places = Array.from({ length: bytes.length - 1 }, (_, i) => i + 1).filter((at) => at % step === 0);
    expect(places.filter((at) => !isSame(converse(cut(bytes, at)), whole))).toEqual([]);
    if (step === 1) expect(isSame(converse([...bytes]), whole)).toBe(true);
  });
});

/** Of a body that is refused, more or less may have gone to the server by then. */
function isSame(pieces: Transcript, whole: Transcript): boolean {
  const breaks = whole.records.at(-1)?.verdict === "refused";
  const toServer = breaks && pieces.toServer.startsWith(whole.toServer) ? whole.toServer : pieces.toServer;
  return JSON.stringify({ ...pieces, toServer }) === JSON.stringify({ ...whole, toServer: whole.toServer });
}

// ---- responses -----------------------------------------------------------------------------------------------------

const CLOSED = ["client ends", "server ends"];
type Row = readonly [name: string, method: string, response: string, failure: string | null, ends: readonly string[]];

/** The server ends after the response where it says `|`. `ends`: what had ended after that. */
// prettier-ignore
const RESPONSES: readonly Row[] = [
  ["length",                    "GET",  ANSWER,                                                              null,          []],
  ["length 0",                  "GET",  "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",                      null,          []],
  ["chunked",                   "GET",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", null,  []],
  ["until the end",             "GET",  "HTTP/1.1 200 OK\r\n\r\nok|",                                        null,          CLOSED],
  ["says close",                "GET",  "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", null,        CLOSED],
  ["HTTP/1.0",                  "GET",  "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",                    null,          CLOSED],
  ["HTTP/1.0 kept alive",       "GET",  "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", null,   []],
  ["no reason",                 "GET",  "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",                         null,          []],
  ["HEAD with a length",        "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n",                     null,          []],
  ["HEAD, chunked",             "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",             null,          []],
  ["204",                       "GET",  "HTTP/1.1 204 No Content\r\n\r\n",                                   null,          []],
  ["204 with length 0",         "GET",  "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",              null,          []],
  ["304 with a length",         "GET",  "HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n",           null,          []],
  ["100, 103, then 200",        "GET",  `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${ANSWER}`, null, []],
  ["trailers",                  "GET",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", null,     []],
  ["obs-text in the reason",    "GET",  "HTTP/1.1 200 \xff\r\nContent-Length: 0\r\n\r\n",                    null,          []],
  ["204 with a body",           "GET",  "HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",            "bodyNotAllowed", ["server aborted", ...CLOSED]],
  ["100 with a length",         "GET",  "HTTP/1.1 100 Continue\r\nContent-Length: 2\r\n\r\nok",              "bodyNotAllowed", ["server aborted", ...CLOSED]],
  ["two lengths",               "GET",  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", "contentLengthTwice", ["server aborted", ...CLOSED]],
  ["length and chunked",        "GET",  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok", "bothLengths", ["server aborted", ...CLOSED]],
  ["gzip, chunked",             "GET",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",       "transferEncoding", ["server aborted", ...CLOSED]],
  ["bare LF",                   "GET",  "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",                          "bareLf",      ["server aborted", ...CLOSED]],
  ["folded field",              "GET",  "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",                             "obsFold",     ["server aborted", ...CLOSED]],
  ["no HTTP",                   "GET",  "SSH-2.0-x\r\n\r\n",                                                 "statusLine",  ["server aborted", ...CLOSED]],
  ["HTTP/2",                    "GET",  "HTTP/2.0 200 OK\r\n\r\n",                                           "statusLine",  ["server aborted", ...CLOSED]],
  ["status of four digits",     "GET",  "HTTP/1.1 2000 OK\r\n\r\n",                                          "statusLine",  ["server aborted", ...CLOSED]],
  ["status below 100",          "GET",  "HTTP/1.1 099 X\r\n\r\n",                                            "statusLine",  ["server aborted", ...CLOSED]],
  ["101 that nobody asked for", "GET",  "HTTP/1.1 101 Switching Protocols\r\n\r\n",                          "switched",    ["server aborted", ...CLOSED]],
  ["33 interim responses",      "GET",  "HTTP/1.1 103 X\r\n\r\n".repeat(33),                                 "tooManyInterim", ["server aborted", ...CLOSED]],
  ["a bad chunk",               "GET",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx",            "chunkSize",   ["server aborted", "aborted"]],
  ["more than the length",      "GET",  `${ANSWER}HTTP/1.1 200 OK\r\n`,                                      "unasked",     ["aborted"]],
  ["a body for HEAD",           "HEAD", ANSWER,                                                              "unasked",     ["aborted"]],
  ["a second response",         "GET",  ANSWER + ANSWER,                                                     "unasked",     ["aborted"]],
  ["ends before it begins",     "GET",  "|",                                                                 "upstreamReset", CLOSED],
  ["ends in the head",          "GET",  "HTTP/1.1 200 OK\r\nContent|",                                       "upstreamReset", CLOSED],
  ["ends in the body",          "GET",  "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok|",                   "upstreamReset", ["aborted"]],
  ["ends in a chunk",           "GET",  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nok|",     "upstreamReset", ["aborted"]],
  ["ends before the last chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n|", "upstreamReset", ["aborted"]],
];

function respond(method: string, pieces: readonly string[], ends: boolean): Transcript {
  const machine = new Machine(POLICY).client(GET.replace("GET", method));
  for (const piece of pieces) machine.server(piece);
  if (ends) machine.conversation.serverEnded();
  return machine.seen;
}

describe("responses", () => {
  test.each(RESPONSES)("%s", (_name, method, text, failure, ends) => {
    const bytes = text.replace("|", "");
    const whole = respond(method, [bytes], bytes !== text);
    expect([whole.records.find((record) => record.failure !== null)?.failure ?? null, whole.ends]).toEqual([
      failure,
      ends,
    ]);
    if (failure === null) expect(whole.toClient).toBe(bytes);
    // Bytes after a response may be refused in a later piece instead, and nothing else depends on how it is cut.
    const places = Array.from({ length: Math.max(bytes.length - 1, 0) }, (_, i) => i + 1);
    expect(places.filter((at) => !isSame(respond(method, cut(bytes, at), bytes !== text), whole))).toEqual([]);
  });

  test("a refused response is a 502, unless its head has gone out", () => {
    expect(respond("GET", ["HTTP/1.1 200 OK\nX"], false).toClient).toMatch(/^HTTP\/1\.1 502 Bad Gateway\r\n/);
  });

  test("a connection that was kept and ends before the answer ends without one", () => {
    const machine = new Machine(POLICY).client(GET).server(ANSWER).client(GET);
    machine.conversation.serverEnded();
    expect([machine.seen.toClient, machine.seen.ends]).toEqual([ANSWER, ["aborted"]]);
  });

  test("no connection is a 503", () => {
    const machine = new Machine(POLICY).client(GET);
    machine.conversation.serverFailed(false);
    expect(machine.seen.toClient).toMatch(/^HTTP\/1\.1 503 /);
    expect(machine.seen.records[0]).toMatchObject({ verdict: "failed", failure: "connectFailed", status: 503 });
  });

  test("no connection before a request is a reset", () => {
    const machine = new Machine(POLICY);
    machine.conversation.serverFailed(false);
    expect([machine.seen.toClient, machine.seen.ends]).toEqual(["", ["aborted"]]);
    expect(machine.seen.records).toMatchObject([{ verdict: "failed", failure: "connectFailed", status: 0 }]);
  });
});

describe("exchanges", () => {
  test("the next request waits for the answer", () => {
    const machine = new Machine(POLICY).client(GET + GET);
    expect([machine.seen.toServer, machine.held]).toEqual([GET, true]);
    machine.server(ANSWER);
    expect([machine.seen.toServer, machine.held]).toEqual([GET + GET, false]);
  });

  test("an early answer, then the rest of the body, then the next request", () => {
    const post = "POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab";
    const machine = new Machine(POLICY).client(post).server(ANSWER).client(`cd${GET}`);
    expect(machine.seen.toServer).toBe(`${post}cd${GET}`);
    machine.server(ANSWER);
    expect(machine.seen.records.map((record) => [record.verdict, record.bytes])).toEqual([
      ["forwarded", `${post.length + 2}/${ANSWER.length}`],
      ["forwarded", `${GET.length}/${ANSWER.length}`],
    ]);
  });

  test("101 makes the connection opaque, both ways, with what had come already", () => {
    const ask = "GET /ok HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    const machine = new Machine(POLICY).client(`${ask}\x81early`);
    expect(machine.seen.toServer).toBe(ask);
    const accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";
    machine.server(`${accepted}\x82frame`).client("\x81more");
    expect(machine.seen.toServer).toBe(`${ask}\x81early\x81more`);
    expect(machine.seen.toClient).toBe(`${accepted}\x82frame`);
    machine.conversation.clientEnded();
    machine.server("last").conversation.serverEnded();
    expect(machine.seen.ends).toEqual(["server ends", "client ends"]);
    expect(machine.seen.toClient).toBe(`${accepted}\x82framelast`);
  });

  test("HTTP/2 is not offered to the server", () => {
    const machine = new Machine(POLICY).client(
      "GET /ok HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX: 1\r\n\r\n",
    );
    expect(machine.seen.toServer).toBe("GET /ok HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n");
  });

  test("an absolute target goes on as the path that was matched", () => {
    const machine = new Machine(POLICY).client("GET http://a/ok?x HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(machine.seen.toServer).toBe("GET /ok?x HTTP/1.1\r\nHost: a\r\n\r\n");
  });

  test("header matches change what is forwarded", () => {
    const policy = rules({
      headers: [
        { name: "x-add", value: "1", mismatch: "ADD" },
        { name: "x-del", value: "1", mismatch: "DELETE" },
        { name: "x-rep", value: "1", mismatch: "REPLACE" },
        { name: "x-log", value: "1", mismatch: "LOG" },
      ],
    });
    const machine = new Machine(policy).client("GET / HTTP/1.1\r\nX-Del: 2\r\nHost: a\r\nX-Rep: 2\r\nx-rep: 3\r\n\r\n");
    expect(machine.seen.toServer).toBe("GET / HTTP/1.1\r\nHost: a\r\nx-add: 1\r\nx-rep: 1\r\n\r\n");
  });

  test("a rule cannot change what frames a message", () => {
    const policy = rules({ headers: [{ name: "content-length", value: "9", mismatch: "REPLACE" }] });
    expect(new Machine(policy).client(GET).seen.records[0]).toMatchObject({ verdict: "denied", status: 403 });
  });

  test("draining: the answer says that it is the last", () => {
    const machine = new Machine(POLICY).client(GET).server(ANSWER);
    machine.conversation.drain();
    machine.client(GET).server(ANSWER);
    expect(machine.seen.toClient).toBe(`${ANSWER}HTTP/1.1 200 OK\r\nContent-Length: 2\r\nconnection: close\r\n\r\nok`);
    expect(machine.seen.ends).toEqual(CLOSED);
  });

  test("rules apply from the next request on, and their end ends the connection", () => {
    const policy = { judge: POLICY.judge };
    const machine = new Machine(policy).client(GET).server(ANSWER);
    policy.judge = rules({ path: "/other" }).judge;
    machine.conversation.policyChanged();
    machine.client(GET);
    expect(machine.seen.records.map((record) => record.verdict)).toEqual(["forwarded", "denied"]);
    policy.judge = null;
    machine.conversation.policyChanged();
    expect(machine.seen.ends).toEqual(["aborted"]);
  });
});

// ---- another parser ------------------------------------------------------------------------------------------------

/** What Node's parser (llhttp) makes of bytes: method, target and body of each request that it accepts. */
async function parseWithNode(bytes: string, insecureHTTPParser: boolean): Promise<string[]> {
  const requests: string[] = [];
  const server = createServer({ requireHostHeader: false, insecureHTTPParser }, (request, response) => {
    let body = "";
    request.setEncoding("latin1");
    request.on("data", (part: string) => (body += part));
    request.on("end", () => requests.push(`${request.method} ${request.url} ${body}`));
    request.on("error", () => undefined);
    response.end();
  });
  server.on("clientError", (_error, socket) => socket.destroy());
  server.on("upgrade", (_request, socket) => socket.destroy());
  const stream = new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() });
  stream.on("error", () => undefined);
  server.emit("connection", stream);
  stream.push(Buffer.from(bytes, "latin1"));
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  stream.destroy();
  return requests;
}

interface Forwarded {
  /** Complete requests, taken apart by the waypoint's own framing. */
  readonly requests: readonly string[];
  readonly bytes: string;
}

function forwardHere(bytes: string): Forwarded {
  const machine = new Machine(rules({}));
  machine.client(bytes);
  for (let i = 0; i < 8 && machine.conversation.waitsFor === "exchange"; i++) machine.server(ANSWER);
  const { records, toServer } = machine.seen;
  let at = 0;
  const requests = records
    .filter((record) => record.verdict === "forwarded")
    .map(({ method, path, bytes: sizes }) => {
      const end = at + Number(sizes.split("/")[0]);
      const text = toServer.slice(at, end);
      at = end;
      const bodyAt = text.indexOf("\r\n\r\n") + 4;
      const chunked = /\r\ntransfer-encoding:/i.test(text.slice(0, bodyAt));
      return `${method} ${path} ${chunked ? unchunk(text.slice(bodyAt)) : text.slice(bodyAt)}`;
    });
  return { requests, bytes: toServer };
}

const PIECES = [
  GET,
  "POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
  "PUT /c?x HTTP/1.1\r\nX: y\r\nHost: b:80\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: u\r\n\r\n",
  "DELETE /d HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n",
];
const INSERTS = ["\r", "\n", "\r\n", " ", "\t", ":", ",", ";", "0", "5", "\0", "\x0b", "\x80", "chunked", "Content-Length: 3\r\n", "Transfer-Encoding: chunked\r\n", "Host: a\r\n", "HTTP/1.0"]; // prettier-ignore

function mutate(random: () => number): string {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  let text = pick(PIECES) + pick(PIECES) + pick(PIECES);
  for (let n = Math.floor(random() * 3); n >= 0; n--) {
    const at = Math.floor(random() * text.length);
    const length = Math.floor(random() * 3);
    text = text.slice(0, at) + (random() < 0.3 ? "" : pick(INSERTS)) + text.slice(at + length);
  }
  return text;
}

/** The data of a chunked body. */
function unchunk(text: string): string {
  const size = parseInt(text, 16);
  const from = text.indexOf("\r\n") + 2;
  return size > 0 ? text.slice(from, from + size) + unchunk(text.slice(from + size + 2)) : "";
}

describe("mutated pipelines", () => {
  const runs = Number(process.env["WAYPOINT_RUNS"] ?? 1000);

  test("what another parser accepts too is framed alike, and what is forwarded is read as what was judged", async () => {
    const seed = Number(process.env["WAYPOINT_SEED"] ?? 20_261);
    const random = randomFrom(seed);
    let both = 0;
    for (let i = 0; i < runs; i++) {
      const bytes = mutate(random);
      const where = `seed ${seed}, run ${i}: ${JSON.stringify(bytes)}`;
      const here = forwardHere(bytes);
      const strict = await parseWithNode(bytes, false);
      const common = Math.min(here.requests.length, strict.length);
      both += common;
      expect(here.requests.slice(0, common), where).toEqual(strict.slice(0, common));
      // A server may refuse what was forwarded (a method that it does not know); it must not read anything else into it.
      const read = await parseWithNode(here.bytes, true);
      expect(read, where).toEqual(here.requests.slice(0, read.length));
    }
    expect(both).toBeGreaterThan(runs / 10);
  });
});
