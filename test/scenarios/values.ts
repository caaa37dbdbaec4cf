/** Keys, values and payloads of scenarios as bytes: what both players of a scenario do alike. */
import type { Codec, Value } from "../../lib/object/index.ts";
import type { MapValue, Payload } from "./script.ts";

/** A map's key or value as bytes. Members that the scenario leaves out are zero; numbers do for 64-bit integers. */
export function encodeValue(codec: Codec, value: MapValue): Uint8Array {
  return codec.encode(complete(codec.decode(new Uint8Array(codec.size)), value));
}

/** `given` in the shape of `zero`, a value of the type all of whose bytes are zero. */
function complete(zero: Value, given: MapValue): Value {
  if (typeof zero === "bigint") return BigInt(given as number | bigint);
  if (zero instanceof Uint8Array) return Uint8Array.from(given as readonly number[]);
  if (Array.isArray(zero)) return (zero as readonly Value[]).map((z, i) => complete(z, (given as MapValue[])[i] ?? 0));
  if (typeof zero !== "object") return given as Value;
  const members = given as { readonly [member: string]: MapValue };
  const unknown = Object.keys(members).find((name) => !(name in zero));
  if (unknown !== undefined) throw new Error(`no member ${unknown}, only ${Object.keys(zero).join(", ")}`);
  return Object.fromEntries(
    Object.entries(zero).map(([name, z]) => [name, name in members ? complete(z, members[name] as MapValue) : z]),
  );
}

/** The bytes that are sent. */
export function payloadBytes(payload: Payload): Uint8Array {
  if (typeof payload !== "string") return new Uint8Array(payload.length).fill(payload.fill.charCodeAt(0));
  if (payload.startsWith("hex:")) return Uint8Array.from(Buffer.from(payload.slice(4), "hex"));
  return new TextEncoder().encode(payload);
}

/** `o.rules` as object id and name. */
export function splitRef(ref: string): readonly [object: string, name: string] {
  const dot = ref.indexOf(".");
  return [ref.slice(0, dot), ref.slice(dot + 1)];
}
