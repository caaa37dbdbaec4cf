/** Sockets with known descriptors: addresses as the kernel lays them out, listening, connecting, in another namespace. */
import { createServer, Socket } from "node:net";
import type { AddressInfo } from "node:net";
import { describe, expect, test } from "vitest";
import { bindTcp, connectTcp, KernelError, listenTcp } from "../../loader/index.ts";
import type { Accepted } from "../../loader/index.ts";
import { decodeSockaddr, encodeSockaddr } from "../../loader/sys/sockaddr.ts";
import { missingShim } from "../../loader/sys/shim.ts";
import { Bed, noKernel } from "../kernel/bed.ts";

const missing = missingShim();
if (missing !== null) process.stderr.write(`skipped: sockets: ${missing}\n`);

// prettier-ignore
const ADDRESSES: readonly [given: string, port: number, hex: string, canonical: string][] = [
  ["10.1.2.3",               80,    "020000500a01020300000000" + "00000000",                                         "10.1.2.3"],
  ["::",                     0,     "0a0000000000000000000000000000000000000000000000" + "00000000",                 "::"],
  ["::1",                    443,   "0a0001bb0000000000000000000000000000000000000001" + "00000000",                 "::1"],
  ["2001:DB8:0:0:1:0:0:1",   65535, "0a00ffff0000000020010db8000000000001000000000001" + "00000000",                 "2001:db8::1:0:0:1"],
  ["2001:db8:0:1:1:1:1:1",   1,     "0a0000010000000020010db8000000010001000100010001" + "00000000",                 "2001:db8:0:1:1:1:1:1"],
  ["fe80::",                 1,     "0a00000100000000fe800000000000000000000000000000" + "00000000",                 "fe80::"],
  ["::ffff:1.2.3.4",         1,     "0a000001000000000000000000000000" + "0000ffff0102030400000000",                 "1.2.3.4"],
];

describe("socket addresses", () => {
  test.each(ADDRESSES)("%s port %i", (address, port, hex, canonical) => {
    const bytes = encodeSockaddr({ address, port });
    expect(Buffer.from(bytes).toString("hex")).toBe(hex);
    expect(decodeSockaddr(bytes)).toEqual({ address: canonical, port });
  });

  test("what is none is refused", () => {
    expect(() => encodeSockaddr({ address: "localhost", port: 1 })).toThrow("is not an IP address");
    expect(() => encodeSockaddr({ address: "::", port: 65536 })).toThrow("is not a port");
  });
});

async function first(connections: AsyncIterable<Accepted>): Promise<Accepted> {
  for await (const connection of connections) return connection;
  throw new Error("the listener was closed");
}

/** Everything that comes, until the end. */
async function readAll(socket: Socket): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

describe.skipIf(missing !== null)("TCP", () => {
  test.each(["127.0.0.1", "::1"])("a connection over %s knows both ends", async (address) => {
    using listener = listenTcp({ address, port: 0 });
    const outgoing = bindTcp({ address, port: 0 });
    const { local } = outgoing;
    const client = new Socket({ fd: outgoing.connect(listener.local) });
    const accepted = await first(listener);
    expect([accepted.remote, accepted.local, outgoing.closed]).toEqual([local, listener.local, true]);
    const server = new Socket({ fd: accepted.fd });
    client.end("hello");
    expect(await readAll(server)).toBe("hello");
    server.destroy();
  });

  test(":: takes IPv4 too", async () => {
    using listener = listenTcp({ address: "::", port: 0 });
    const client = new Socket({ fd: connectTcp({ address: "127.0.0.1", port: listener.local.port }) });
    const accepted = await first(listener);
    expect(accepted.local.address).toBe("127.0.0.1");
    new Socket({ fd: accepted.fd }).destroy();
    client.destroy();
  });

  test("closing ends the loop, and frees the port", async () => {
    const listener = listenTcp({ address: "127.0.0.1", port: 0 });
    const { local } = listener;
    setTimeout(() => listener.close(), 20);
    for await (const _ of listener) throw new Error("nobody connects");
    expect(listener.accept.bind(listener)).toThrow("is closed");
    listenTcp(local).close();
  });

  test("a port that is taken is an error that says so; with reusePort it is shared", () => {
    using listener = listenTcp({ address: "127.0.0.1", port: 0, reusePort: true });
    expect(() => listenTcp(listener.local)).toThrow(KernelError);
    expect(() => listenTcp(listener.local)).toThrow("EADDRINUSE");
    listenTcp({ ...listener.local, reusePort: true }).close();
  });

  test("a refused connection is told by the socket", async () => {
    const listener = listenTcp({ address: "127.0.0.1", port: 0 });
    listener.close();
    const client = new Socket({ fd: connectTcp(listener.local) });
    const error = await new Promise<NodeJS.ErrnoException>((resolve) => client.on("error", resolve));
    expect(error.code).toBe("ECONNREFUSED");
  });

  test("Node's server takes over a descriptor", async () => {
    const server = createServer((socket) => socket.end("from node"));
    const { fd, local } = listenTcp({ address: "127.0.0.1", port: 0 });
    await new Promise<void>((resolve) => server.listen({ fd }, resolve));
    expect((server.address() as AddressInfo).port).toBe(local.port);
    expect(await readAll(new Socket({ fd: connectTcp(local) }))).toBe("from node");
    server.close();
  });
});

describe.skipIf(noKernel)("TCP in another namespace", () => {
  test("listening and dialling there, from here", async () => {
    await using bed = new Bed();
    const netns = bed.netns("pod");
    using listener = listenTcp({ address: "127.0.0.1", port: 4711, netns });
    expect(() => listenTcp({ address: "127.0.0.1", port: 4711, netns })).toThrow("EADDRINUSE");
    const outgoing = bindTcp({ address: "127.0.0.1", port: 0, netns });
    const client = new Socket({ fd: outgoing.connect(listener.local) });
    const accepted = await first(listener);
    expect(accepted.remote.address).toBe("127.0.0.1");
    new Socket({ fd: accepted.fd }).end("from there");
    expect(await readAll(client)).toBe("from there");
    // The port is only taken there.
    listenTcp({ address: "127.0.0.1", port: 4711 }).close();
  });
});
