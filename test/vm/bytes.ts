/** Numbers to bytes and back, little-endian. */
export function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

export function u64(value: bigint | number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value), true);
  return bytes;
}

export function numberOf(bytes: Uint8Array | null): bigint | null {
  if (bytes === null) return null;
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
