/** Keys of JavaScript Maps for byte strings: equal exactly when the bytes of one length are. */
export type HashKey = number | string;

/** Up to 6 bytes fit a double exactly; longer ones become a string with a character for each two bytes. */
export function hashKey(bytes: Uint8Array): HashKey {
  if (bytes.length > 6) return text(bytes);
  let value = 0;
  for (const byte of bytes) value = value * 256 + byte;
  return value;
}

function text(bytes: Uint8Array): string {
  let out = "";
  for (let i = 0; i < bytes.length; i += 2) out += String.fromCharCode((bytes[i] ?? 0) | ((bytes[i + 1] ?? 0) << 8));
  return out;
}
