/** The waypoint with real sockets: streams byte for byte, back-pressure, ends, resets, time-outs, changes while it runs. */
import { createHash, randomBytes } from "node:crypto";
import { createServer as createHttp, request as httpRequest } from "node:http";
import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { dial, exchange, noShim, rules, running, startRig, until } from "./rig.ts";

const OPEN = rules({ path: "/ok.*" });
const GET = "GET /ok HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const sha = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");

/** A server that answers each piece with the same bytes, or what `answer` says. */
function plainServer(answer: (piece: string, socket: Socket) => void) {
  return running(
    createServer({ allowHalfOpen: true }, (socket) => {
      socket.on("data", (piece) => answer(piece.toString("latin1"), socket));
    }),
  );
}

describe.skipIf(noShim)("streams", () => {
  test("20 MB each way at once, by length and chunked, are the same bytes", async () => {
    const size = 20_000_000;
    const up = randomBytes(size);
    const down = randomBytes(size);
    let got = "";
    await using server = await running(
      createHttp((request, response) => {
        const hash = createHash("sha256");
        request.on("data", (piece: Buffer) => hash.update(piece));
        request.on("end", () => (got = hash.digest("hex")));
        if (request.url === "/ok/length") response.writeHead(200, { "content-length": size });
        response.end(down);
      }),
    );
    await using rig = startRig(server.port, { policy: OPEN });
    for (const kind of ["length", "chunked"]) {
      got = "";
      const parts: Buffer[] = [];
      await new Promise<void>((resolve, reject) => {
        const headers = kind === "length" ? { "content-length": size } : {};
        const sent = httpRequest({ port: rig.port, method: "PUT", path: `/ok/${kind}`, headers }, (response) => {
          response.on("data", (part: Buffer) => parts.push(part));
          response.on("end", resolve);
        });
        sent.on("error", reject);
        sent.end(up);
      });
      await until(() => got !== "");
      expect([got, sha(Buffer.concat(parts))]).toEqual([sha(up), sha(down)]);
    }
    expect(rig.records.map((record) => [record.verdict, record.requestBytes > size])).toEqual([
      ["forwarded", true],
      ["forwarded", true],
    ]);
  });

  test("a client that does not read holds the server back", async () => {
    let written = 0;
    await using server = await plainServer((_piece, socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 400000000\r\n\r\n");
      const piece = Buffer.alloc(65_536);
      const pump = () => {
        while (written < 400_000_000 && socket.write(piece)) written += piece.length;
      };
      socket.on("drain", pump);
      pump();
    });
    await using rig = startRig(server.port, { policy: OPEN });
    const client = connect({ port: rig.port, host: "127.0.0.1" });
    client.pause();
    client.write(GET);
    let before = -1;
    await until(() => {
      const still = written > 0 && written === before;
      before = written;
      return still && written > 65_536;
    });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(written).toBeLessThan(40_000_000);
    const memory = process.memoryUsage().rss;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(process.memoryUsage().rss - memory).toBeLessThan(30_000_000);
    client.destroy();
  });
});

describe.skipIf(noShim)("ends", () => {
  test("a client that sends its end early gets its answer", async () => {
    await using server = await plainServer((_piece, socket) => setTimeout(() => socket.write(ANSWER), 30));
    await using rig = startRig(server.port, { policy: OPEN });
    expect(await exchange(rig.port, GET)).toBe(ANSWER);
  });

  test("the server sees the client's end after the request", async () => {
    let ended = false;
    await using server = await running(
      createServer({ allowHalfOpen: true }, (socket) => {
        socket.resume();
        socket.on("end", () => {
          ended = true;
          socket.end(ANSWER);
        });
      }),
    );
    await using rig = startRig(server.port, { policy: OPEN });
    expect(await exchange(rig.port, GET)).toBe(ANSWER);
    expect(ended).toBe(true);
  });

  test("a body until the end of the connection", async () => {
    await using server = await plainServer((_piece, socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nall of it"));
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write(GET);
    await until(() => client.ended);
    expect(client.text).toMatch(/all of it$/);
    client.socket.end();
    await until(() => rig.proxy.connections === 0);
  });

  test("a reset of the server inside of a body is a reset for the client", async () => {
    await using server = await plainServer((_piece, socket) => {
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nok", () =>
        setTimeout(() => socket.resetAndDestroy(), 20),
      );
    });
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write(GET);
    await until(() => client.closed);
    expect([client.error, client.ended, rig.records[0]?.failure]).toEqual(["ECONNRESET", false, "upstreamReset"]);
  });

  test("a reset before the answer is a 502, nobody there a 503", async () => {
    await using server = await plainServer((_piece, socket) => socket.resetAndDestroy());
    await using rig = startRig(server.port, { policy: OPEN });
    expect(await exchange(rig.port, GET)).toMatch(/^HTTP\/1\.1 502 /);
    await using nobody = startRig(1, { policy: OPEN });
    expect(await exchange(nobody.port, GET)).toMatch(/^HTTP\/1\.1 503 /);
    expect([...rig.records, ...nobody.records].map((record) => record.failure)).toEqual([
      "upstreamReset",
      "connectFailed",
    ]);
  });

  test("a client that goes away takes the server's connection along", async () => {
    let gone = false;
    await using server = await plainServer((_piece, socket) => void socket.on("close", () => (gone = true)));
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write(GET);
    await until(() => rig.proxy.connections === 1);
    await new Promise((resolve) => setTimeout(resolve, 30));
    client.socket.resetAndDestroy();
    await until(() => gone && rig.proxy.connections === 0);
    expect(rig.records[0]?.failure).toBe("clientReset");
  });

  test("an answer before the body is complete reaches the client", async () => {
    await using server = await plainServer((_piece, socket) => {
      socket.end("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write("POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nstart");
    await until(() => client.text.includes("\r\n\r\n"));
    expect(client.text).toMatch(/^HTTP\/1\.1 413 /);
    client.socket.destroy();
  });

  test("100-continue: asked of the server, answered, then the body", async () => {
    await using server = await plainServer((piece, socket) => {
      if (piece.includes("100-continue")) socket.write("HTTP/1.1 100 Continue\r\n\r\n");
      if (piece.includes("hello")) socket.write(ANSWER);
    });
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write("POST /ok HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    await until(() => client.text.includes("100 Continue"));
    client.socket.write("hello");
    await until(() => client.text.endsWith("ok"));
    expect(client.text).toBe(`HTTP/1.1 100 Continue\r\n\r\n${ANSWER}`);
    client.socket.end();
  });
});

describe.skipIf(noShim)("time and change", () => {
  test("a head that does not come to its end is a 408", async () => {
    await using rig = startRig(1, { policy: OPEN, timeouts: { head: 0, close: 0 } });
    const client = dial(rig.port);
    client.socket.write("GET /ok HT");
    await until(() => client.ended);
    expect(client.text).toMatch(/^HTTP\/1\.1 408 /);
    client.socket.end();
  });

  test("an idle connection is closed", async () => {
    await using rig = startRig(1, { policy: OPEN, timeouts: { idle: 0, close: 0 } });
    const client = dial(rig.port);
    await until(() => client.ended);
    expect([client.text, rig.records]).toEqual(["", []]);
    client.socket.end();
  });

  test("a connection that nobody steered is closed", async () => {
    await using rig = startRig(1, { policy: OPEN, steered: false });
    expect(await exchange(rig.port, GET)).toBe("");
    expect(rig.complaints[0]).toMatch(/^closed a connection that no policy sent here: 127\.0\.0\.1:/);
  });

  test("a kept connection: new rules from the next request on, and their end is its end", async () => {
    await using server = await plainServer((_piece, socket) => socket.write(ANSWER));
    await using rig = startRig(server.port, { policy: OPEN });
    const client = dial(rig.port);
    client.socket.write(GET);
    await until(() => client.text === ANSWER);
    rig.policy.judge = rules({ path: "/other" }).judge;
    client.socket.write(GET);
    await until(() => client.text.includes("403 Forbidden"));
    rig.policy.judge = rules({ method: "GET" }).judge;
    client.socket.write(GET);
    await until(() => client.text.endsWith(ANSWER));
    rig.policy.judge = null;
    rig.proxy.policiesChanged();
    await until(() => client.closed);
    expect(rig.records.map((record) => record.status)).toEqual([200, 403, 200, 0]);
  });

  test("draining: requests finish, the next answer is the last, idle connections end", async () => {
    let answer: (() => void) | null = null;
    await using server = await plainServer((_piece, socket) => (answer = () => socket.write(ANSWER)));
    await using rig = startRig(server.port, { policy: OPEN });
    const [busy, idle] = [dial(rig.port), dial(rig.port)];
    busy.socket.write(GET);
    await until(() => answer !== null && rig.proxy.connections === 2);
    const drained = rig.proxy.drain(200);
    await until(() => idle.ended);
    (answer as unknown as () => void)();
    await until(() => busy.ended);
    expect(busy.text).toMatch(/connection: close\r\n\r\nok$/);
    busy.socket.end();
    idle.socket.end();
    await drained;
    expect(rig.proxy.connections).toBe(0);
  });
});
