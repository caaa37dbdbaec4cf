/** The consumer's side of the ring buffer protocol, against a producer that follows kernel/bpf/ringbuf.c. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Ring } from "../../loader/ring.ts";

const PAGE = 4096;
const BUSY = 0x8000_0000;
const DISCARDED = 0x4000_0000;

/** A producer in plain memory. Both copies of the data are kept alike, as the double mapping does. */
class Producer {
  readonly consumer = new ArrayBuffer(PAGE);
  readonly producer: ArrayBuffer;
  readonly size: number;
  private position: number;

  constructor(size: number, start = 0) {
    this.size = size;
    this.producer = new ArrayBuffer(PAGE + 2 * size);
    this.position = start;
    new DataView(this.consumer).setBigUint64(0, BigInt(start), true);
    this.publish();
  }

  ring(): Ring {
    return new Ring({ consumer: this.consumer, producer: this.producer, pageSize: PAGE, size: this.size });
  }

  get consumed(): number {
    return Number(new DataView(this.consumer).getBigUint64(0, true));
  }

  /** Reserves a record; returns a function that finishes it, or null when there is no room. */
  reserve(payload: Uint8Array): ((flags: number) => void) | null {
    const length = 8 + Math.ceil(payload.length / 8) * 8;
    if (this.position + length - this.consumed > this.size - 1) return null;
    const at = this.position;
    this.header(at, payload.length | BUSY);
    this.position += length;
    this.publish();
    return (flags) => {
      payload.forEach((byte, i) => this.put(at + 8 + i, byte));
      this.header(at, payload.length | flags);
    };
  }

  private publish(): void {
    new DataView(this.producer).setBigUint64(0, BigInt(this.position), true);
  }

  private header(at: number, value: number): void {
    for (let i = 0; i < 4; i++) this.put(at + i, (value >>> (8 * i)) & 0xff);
  }

  private put(position: number, byte: number): void {
    const data = new Uint8Array(this.producer, PAGE);
    const at = position % this.size;
    data[at] = byte;
    data[at + this.size] = byte;
  }
}

const copy = (bytes: Uint8Array) => bytes.slice();

describe("ring", () => {
  test("a busy record holds back what is behind it; a discarded one is skipped", () => {
    const memory = new Producer(PAGE);
    const ring = memory.ring();
    const first = memory.reserve(Uint8Array.of(1));
    memory.reserve(Uint8Array.of(2))?.(0);
    expect([ring.next(copy), memory.consumed, ring.pending]).toEqual([undefined, 0, 32]);
    first?.(DISCARDED);
    expect(ring.next(copy)).toEqual({ value: Uint8Array.of(2) });
    expect([ring.next(copy), memory.consumed, ring.pending]).toEqual([undefined, 32, 0]);
  });

  test("a record across the end is contiguous, beyond 2^32 too", () => {
    for (const start of [PAGE - 16, 2 ** 40 - 16]) {
      const memory = new Producer(PAGE, start);
      const payload = Uint8Array.from({ length: 100 }, (_, i) => i);
      memory.reserve(payload)?.(0);
      expect(memory.ring().next(copy)).toEqual({ value: payload });
    }
  });

  test("a record whose decoding fails is taken all the same", () => {
    const memory = new Producer(PAGE);
    const ring = memory.ring();
    memory.reserve(Uint8Array.of(1))?.(0);
    memory.reserve(Uint8Array.of(2))?.(0);
    const fail = () => {
      throw new Error("no");
    };
    expect(() => ring.next(fail)).toThrow("no");
    expect(ring.next(copy)).toEqual({ value: Uint8Array.of(2) });
  });

  test("a limit ends before records that came later", () => {
    const memory = new Producer(PAGE);
    const ring = memory.ring();
    memory.reserve(Uint8Array.of(1))?.(0);
    const limit = ring.producedTo();
    memory.reserve(Uint8Array.of(2))?.(0);
    expect([ring.next(copy, limit)?.value[0], ring.next(copy, limit), ring.next(copy)?.value[0]]).toEqual([
      1,
      undefined,
      2,
    ]);
  });

  test("any interleaving of producing and consuming keeps the order and loses nothing", () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant("reserve" as const), bytes: fc.uint8Array({ maxLength: 600 }), keep: fc.boolean() }),
      fc.record({ do: fc.constant("finish" as const), which: fc.nat(5) }),
      fc.record({ do: fc.constant("take" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(100_000), (steps, start) => {
        const memory = new Producer(PAGE, start * 8);
        const ring = memory.ring();
        const expected: { bytes: Uint8Array; keep: boolean; finish: ((flags: number) => void) | null }[] = [];
        const takeAll = () => {
          for (let event = ring.next(copy); event !== undefined; event = ring.next(copy)) {
            let head = expected.shift();
            while (head?.keep === false && head.finish === null) head = expected.shift();
            expect(head?.finish).toBeNull();
            expect(event.value).toEqual(head?.bytes);
          }
        };
        const finish = (record: (typeof expected)[number] | undefined) => {
          record?.finish?.(record.keep ? 0 : DISCARDED);
          if (record !== undefined) record.finish = null;
        };
        for (const s of steps) {
          if (s.do === "take") takeAll();
          else if (s.do === "finish") finish(expected[s.which]);
          else {
            const done = memory.reserve(s.bytes);
            if (done !== null) expected.push({ bytes: s.bytes, keep: s.keep, finish: done });
          }
        }
        expected.forEach(finish);
        takeAll();
        expect(expected.filter((record) => record.keep)).toEqual([]);
        expect(ring.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
