/**
 * Egress dials before it reads: what the client sees, and what it costs, while the server's connection is slow, and when there
 * is none. A server that is slow to connect is a listener whose queue is full: the kernel drops what comes, and the dialling
 * end tries again after a second.
 */
import { closeSync } from "node:fs";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { connectTcp, listenTcp } from "ebpf-ts/loader";
import type { TcpListener } from "ebpf-ts/loader";
import type { Dialer } from "../../../mesh/waypoint/types.ts";
import { dial, noShim, rules, startRig, until } from "./rig.ts";

const POLICY = rules({ path: "/ok.*" });
const DENIED = "GET /no HTTP/1.1\r\nHost: a\r\n\r\n";
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class FullServer implements Disposable {
  readonly listener: TcpListener = listenTcp({ address: "127.0.0.1", port: 0, backlog: 0 });
  private readonly filler = connectTcp(this.listener.local);

  get port(): number {
    return this.listener.local.port;
  }

  /** Makes room, and gives the connection that then comes. */
  async next(): Promise<Socket> {
    closeSync(this.take() ?? -1);
    let fd: number | undefined;
    await until(() => (fd = this.take()) !== undefined);
    return new Socket({ fd: fd as number, allowHalfOpen: true });
  }

  [Symbol.dispose](): void {
    closeSync(this.filler);
    this.listener.close();
  }

  private take(): number | undefined {
    return this.listener.accept()?.fd;
  }
}

/** Counts connections to the server that were begun and have not ended. */
function countingDialer() {
  const counted = { open: 0, begun: 0 };
  const dialer: Dialer = {
    dial: ({ destination }) => {
      const fd = connectTcp(destination);
      counted.open++;
      counted.begun++;
      return { fd, ended: () => void counted.open-- };
    },
  };
  return { counted, dialer };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const THROWS: Dialer = {
  dial: () => {
    throw new Error("endpoint 1 is gone");
  },
};

describe.skipIf(noShim)("egress without a server is a reset, and no answer", () => {
  test.each(["refused", "never answered", "not even begun"])("%s", async (kind) => {
    using full = new FullServer();
    const { counted, dialer } = countingDialer();
    await using rig = startRig(kind === "refused" ? 1 : full.port, {
      policy: POLICY,
      direction: "egress",
      dialer: kind === "not even begun" ? THROWS : dialer,
      timeouts: { connect: 0 },
    });
    const client = dial(rig.port);
    client.socket.write(DENIED);
    await until(() => client.closed && rig.proxy.connections === 0);
    expect(client).toMatchObject({ text: "", ended: false, error: "ECONNRESET" });
    expect(rig.records).toMatchObject([{ verdict: "failed", failure: "connectFailed", status: 0, method: "" }]);
    expect(counted.open).toBe(0);
  });
});

describe.skipIf(noShim)("egress with a server that is slow to connect", () => {
  test("a denied request and the client's end wait for it, and then get their 403", async () => {
    using full = new FullServer();
    const { counted, dialer } = countingDialer();
    await using rig = startRig(full.port, { policy: POLICY, direction: "egress", dialer });
    const client = dial(rig.port);
    client.socket.end(DENIED);
    await until(() => counted.begun === 1);
    await pause(100);
    expect([client.text, client.ended, rig.records]).toEqual(["", false, []]);
    const server = await full.next();
    let seen = "";
    server.on("data", (piece) => (seen += piece.toString("latin1")));
    server.on("end", () => server.end());
    await until(() => client.ended && rig.proxy.connections === 0);
    expect([client.text.split("\r\n")[0], seen]).toEqual(["HTTP/1.1 403 Forbidden", ""]);
    expect([rig.records.map(({ status }) => status), counted]).toEqual([[403], { open: 0, begun: 1 }]);
  });

  test("a large body waits in the client", async () => {
    const size = 30_000_000;
    using full = new FullServer();
    await using rig = startRig(full.port, { policy: POLICY, direction: "egress" });
    const client = dial(rig.port);
    client.socket.write(`POST /ok HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`);
    client.socket.write(Buffer.alloc(size));
    await until(() => rig.proxy.connections === 1);
    await pause(200);
    expect(client.socket.writableLength).toBeGreaterThan(0);
    const server = await full.next();
    let seen = 0;
    server.on("data", (piece) => {
      seen += piece.length;
      if (seen > size) server.write(ANSWER);
    });
    await until(() => client.text === ANSWER);
    server.destroy();
    client.socket.destroy();
  });

  test("a client that has gone meanwhile leaves nothing behind", async () => {
    using full = new FullServer();
    const { counted, dialer } = countingDialer();
    await using rig = startRig(full.port, { policy: POLICY, direction: "egress", dialer });
    const client = dial(rig.port);
    await until(() => counted.begun === 1);
    client.socket.resetAndDestroy();
    const server = await full.next();
    server.on("error", () => undefined);
    await until(() => rig.proxy.connections === 0);
    expect([counted, rig.records]).toEqual([{ open: 0, begun: 1 }, []]);
    server.destroy();
  });
});
