/** sk_msg: the pieces of a message, and what a program sees of it after each call. */
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { alu64, call, exit, jmp, ldx, mov64, r0, r1, r2, r3, r4, r6, r7, r8, st } from "../../../lib/asm/index.ts";
import type { ObjectSpec } from "../../../lib/object/index.ts";
import { createMachine } from "../../../lib/vm/index.ts";
import type { RunResult } from "../../../lib/vm/index.ts";
import { attachSockmap, load } from "../../../loader/index.ts";
import { ldvalue, map, object, program } from "../../kernel/specs.ts";
import { u32, u64 } from "../bytes.ts";
import { noKernel, seedFor } from "./both.ts";

type Helper = "msg_pull_data" | "msg_push_data" | "msg_pop_data";
type Call = readonly [Helper, number, number, flags?: number];

const CALLS = 12;
/** Bytes 1, 2, 3, … */
const payload = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i + 1);

function spec(calls: readonly Call[]): ObjectSpec {
  // prettier-ignore
  const parts = [
    mov64(r6, r1),
    ldvalue(r8, "out"),
    ...calls.flatMap(([helper, a, b, flags = 0], i) => [
      mov64(r1, r6), mov64(r2, a), mov64(r3, b), mov64(r4, flags), call(helper),
      st(4, r8, 16 * i, r0), ldx(8, r7, r6, 0), ldx(8, r1, r6, 8), mov64(r0, r1), alu64("sub", r0, r7), st(4, r8, 16 * i + 4, r0),
      alu64("add", r7, 1), jmp("gt", r7, r1, 2), ldx(1, r0, r7, -1), st(4, r8, 16 * i + 8, r0),
      ldx(4, r0, r6, 68), st(4, r8, 16 * i + 12, r0),
    ]),
    mov64(r0, 1),
    exit(),
  ];
  return object(
    [program("p", "sk_msg", parts)],
    [map("out", "array", 4, 16 * CALLS, 1), map("sockets", "sockmap", 4, 8, 1)],
  );
}

/** After each call: its result, the length of the window, its first byte, the message's size. */
function read(out: Uint8Array | null | undefined, calls: number): number[][] {
  const view = new DataView((out ?? new Uint8Array(16 * CALLS)).buffer, out?.byteOffset);
  return Array.from({ length: calls }, (_, i) => [0, 4, 8, 12].map((at) => view.getInt32(16 * i + at, true)));
}

/** Runs calls on a message of bytes 0, 1, 2, … and tells after each: result, length of the window, its first byte. */
function play(calls: readonly Call[], length = 10, linear?: number): { seen: number[][]; result: RunResult } {
  const machine = createMachine(spec(calls));
  const result = machine.run("p", { packet: payload(length), ...(linear === undefined ? {} : { linear }) });
  return { seen: read(machine.map("out").get(new Uint8Array(4)), calls.length), result };
}

/** The same in the kernel: a TCP connection whose client's messages the program judges. */
class Connection {
  private readonly server: Server;
  private readonly client: Socket;
  private readonly accepted: Socket;

  static async open(): Promise<Connection> {
    const server = createServer().listen(0, "127.0.0.1");
    await once(server, "listening");
    const client = connect((server.address() as AddressInfo).port, "127.0.0.1");
    const [[accepted]] = await Promise.all([once(server, "connection") as Promise<[Socket]>, once(client, "connect")]);
    return new Connection(server, client, accepted);
  }

  private constructor(server: Server, client: Socket, accepted: Socket) {
    this.server = server;
    this.client = client;
    this.accepted = accepted;
  }

  /** `expected`: as many bytes are waited for; more are seen if they come with them. */
  async play(calls: readonly Call[], length: number, expected: number): Promise<{ seen: number[][]; bytes: number[] }> {
    using loaded = await load(spec(calls));
    const attachment = attachSockmap(loaded.program("p"), loaded.map("sockets"));
    const handle: unknown = Reflect.get(this.client, "_handle");
    loaded.map("sockets").setRaw(u32(0), u64(Number(Reflect.get(handle as object, "fd"))));
    this.client.write(payload(length));
    const bytes: number[] = [];
    while (bytes.length < expected) {
      const [chunk] = (await once(this.accepted, "data", { signal: AbortSignal.timeout(2000) })) as [Uint8Array];
      bytes.push(...chunk);
    }
    loaded.map("sockets").deleteRaw(u32(0));
    attachment.detach();
    return { seen: read(loaded.map("out").getRaw(u32(0)), calls.length), bytes };
  }

  close(): void {
    this.client.destroy();
    this.accepted.destroy();
    this.server.close();
  }
}

describe("a message", () => {
  const WHOLE = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  // prettier-ignore
  const CASES: [string, readonly Call[], seen: readonly (readonly number[])[], bytes: readonly number[], linear?: number][] = [
    ["is seen from where it was pulled",         [["msg_pull_data", 2, 5]],   [[0, 3, 3]],   WHOLE],
    ["is not pulled past its end",               [["msg_pull_data", 2, 11]],  [[-22, 10, 1]], WHOLE],
    ["is not pulled backwards, nor by flags",    [["msg_pull_data", 5, 5], ["msg_pull_data", 0, 4, 1]], [[-22, 10, 1], [-22, 10, 1]], WHOLE],
    ["in pieces shows the first",                [["msg_pull_data", 20, 21]], [[-22, 4, 1]], WHOLE, 4],
    ["in pieces is joined by pulling",           [["msg_pull_data", 1, 7]],   [[0, 6, 2]],   WHOLE, 4],
    ["gets new bytes in front",                  [["msg_push_data", 0, 3]],   [[0, 3, 0]],   [0, 0, 0, ...WHOLE]],
    ["gets new bytes inside, and is in pieces",  [["msg_push_data", 4, 2], ["msg_pull_data", 0, 12]], [[0, 4, 1], [0, 12, 1]], [1, 2, 3, 4, 0, 0, 5, 6, 7, 8, 9, 10]],
    ["gets new bytes at its end",                [["msg_push_data", 10, 1]],  [[0, 10, 1]],  [...WHOLE, 0]],
    ["gets none behind its end",                 [["msg_push_data", 11, 1], ["msg_push_data", 0, 0], ["msg_push_data", 0, 1, 1]], [[-22, 10, 1], [0, 10, 1], [-22, 10, 1]], WHOLE],
    ["loses bytes in front",                     [["msg_pop_data", 0, 3]],    [[0, 7, 4]],   [4, 5, 6, 7, 8, 9, 10]],
    ["loses bytes inside, and is in pieces",     [["msg_pop_data", 4, 2]],    [[0, 4, 1]],   [1, 2, 3, 4, 7, 8, 9, 10]],
    ["loses bytes at its end",                   [["msg_pop_data", 8, 2]],    [[0, 8, 1]],   [1, 2, 3, 4, 5, 6, 7, 8]],
    ["loses no more than it has",                [["msg_pop_data", 8, 3], ["msg_pop_data", 0, 0]], [[-22, 10, 1], [0, 10, 1]], WHOLE],
    ["loses whole pieces",                       [["msg_pop_data", 2, 5]],    [[0, 2, 1]],   [1, 2, 8, 9, 10], 4],
    ["is seen from its start after a push",      [["msg_pull_data", 2, 5], ["msg_push_data", 3, 1], ["msg_pop_data", 3, 1]], [[0, 3, 3], [0, 3, 1], [0, 3, 1]], WHOLE],
  ];
  test.each(CASES)("%s", (_, calls, seen, bytes, linear) => {
    const played = play(calls, 10, linear);
    expect(played.result.fault).toBe(null);
    expect({ seen: played.seen.map((one) => one.slice(0, 3)), bytes: [...(played.result.packet ?? [])] }).toEqual({
      seen,
      bytes,
    });
    expect(played.result.context["size"]).toBe(bytes.length);
  });

  test("apply and cork are effects", () => {
    const parts = [
      mov64(r6, r1),
      mov64(r2, 7),
      call("msg_apply_bytes"),
      mov64(r1, r6),
      mov64(r2, 9),
      call("msg_cork_bytes"),
      exit(),
    ];
    const { effects } = createMachine(object([program("p", "sk_msg", parts)])).run("p", { packet: new Uint8Array(4) });
    expect(effects).toEqual([
      { kind: "apply_bytes", bytes: 7 },
      { kind: "cork_bytes", bytes: 9 },
    ]);
  });
});

describe.skipIf(noKernel !== null)("the machine and the kernel agree", () => {
  const seed = seedFor("messages against the kernel");
  const range = fc.nat(26);
  const one: fc.Arbitrary<Call> = fc.oneof(
    fc.tuple(range, range).map(([a, b]): Call => ["msg_pull_data", a, b]),
    fc.tuple(range, fc.nat(8)).map(([a, b]): Call => ["msg_push_data", a, b]),
    fc.tuple(range, fc.nat(8)).map(([a, b]): Call => ["msg_pop_data", a, b]),
  );
  test("on chains of calls", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(one, { minLength: 1, maxLength: 6 }), async (calls) => {
        const { seen, result } = play(calls, 20);
        const bytes = [...(result.packet ?? [])];
        // A message of no bytes never arrives.
        fc.pre(bytes.length > 0);
        const connection = await Connection.open();
        try {
          const real = await connection.play(calls, 20, bytes.length);
          // Pushed bytes, 0 here, are anything there.
          real.bytes = real.bytes.map((byte, i) => (bytes[i] === 0 ? 0 : byte));
          for (const [i, one] of real.seen.entries()) if (seen[i]?.[2] === 0) one[2] = 0;
          expect({ calls, seen, bytes }).toEqual({ calls, ...real });
        } finally {
          connection.close();
        }
      }),
      { seed, numRuns: 100 },
    );
  }, 60_000);
});
