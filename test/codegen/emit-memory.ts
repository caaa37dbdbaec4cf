/** The memory of both evaluators: a stack, a context and a packet at fixed addresses. */

const STACK = 0x1000_0000;
const CONTEXT = 0x2000_0000;
const PACKET = 0x3000_0000;

export class Memory {
  /** One past the last byte of the stack: what r10 holds. */
  readonly stackTop = BigInt(STACK);
  readonly context = BigInt(CONTEXT);
  readonly packet = BigInt(PACKET);
  readonly packetSize: number;
  private readonly regions: readonly { readonly start: number; readonly bytes: Uint8Array }[];
  private used = 0;

  /** The context is an xdp_md: data and data_end in its first 8 bytes. */
  constructor(packet: Uint8Array) {
    this.packetSize = packet.length;
    const context = new Uint8Array(24);
    const view = new DataView(context.buffer);
    view.setUint32(0, PACKET, true);
    view.setUint32(4, PACKET + packet.length, true);
    this.regions = [
      { start: STACK - 4096, bytes: new Uint8Array(4096) },
      { start: CONTEXT, bytes: context },
      { start: PACKET, bytes: packet.slice() },
    ];
  }

  /** Stack space for an object of the IR. */
  allocate(size: number): bigint {
    this.used += size;
    return BigInt(STACK - this.used);
  }

  read(address: bigint, size: number): bigint {
    const { view, at } = this.find(address, size);
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(view[at + i] as number);
    return value;
  }

  write(address: bigint, size: number, value: bigint): void {
    const { view, at } = this.find(address, size);
    for (let i = 0; i < size; i++) view[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
  }

  /** The packet's bytes as they are now. */
  packetBytes(): Uint8Array {
    return (this.regions[2] as { bytes: Uint8Array }).bytes;
  }

  private find(address: bigint, size: number): { view: Uint8Array; at: number } {
    for (const { start, bytes } of this.regions) {
      const at = Number(address) - start;
      if (at >= 0 && at + size <= bytes.length) return { view: bytes, at };
    }
    throw new Error(`access of ${size} bytes at 0x${address.toString(16)}`);
  }
}
