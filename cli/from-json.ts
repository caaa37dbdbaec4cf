/**
 * What users write as JSON, as the values that codecs take. JSON has neither 64-bit integers nor bytes: a codec's own
 * zero value tells what is meant, so that `"0a0b"` becomes bytes where bytes belong. The inverse of output.ts `toJson`.
 */
import { readFileSync } from "node:fs";
import type { Codec, Value } from "../lib/object/index.ts";
import { parseHex } from "../lib/packet/index.ts";
import { inputError } from "./diagnostics.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [member: string]: Json };

/** JSON given on the command line, or in the file of that name. Throws I001 and I004. `option` is how it is called. */
export function readJson(text: string, option: string): Json {
  const inline = /^\s*[[{]/.test(text);
  const source = inline ? text : readText(text);
  try {
    return JSON.parse(source) as Json;
  } catch (error) {
    throw inputError("I004", `${option} is not JSON`, {
      found: error instanceof Error ? error.message : String(error),
    });
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw inputError("I001", `${file} cannot be read`, {
      found: error instanceof Error ? error.message : String(error),
    });
  }
}

/** The members of a JSON object. Throws I004 for anything else. */
export function membersOf(json: Json, what: string): readonly [string, Json][] {
  if (isObject(json)) return Object.entries(json);
  throw inputError("I004", `${what} is no object`, { expected: '{ "name": … }', found: JSON.stringify(json) });
}

/** The value as the codec takes it; what does not fit is left for the codec to refuse, with the member's name. */
export function fromJson(json: Json, codec: Codec): Value {
  return follow(json, codec.decode(new Uint8Array(codec.size)));
}

function follow(json: Json, like: Value | undefined): Value {
  if (typeof like === "bigint" && isInteger(json)) return BigInt(json);
  if (like instanceof Uint8Array && typeof json === "string") return parseHex(json);
  if (Array.isArray(like) && Array.isArray(json))
    return json.map((item: Json) => follow(item, like[0] as Value | undefined));
  if (isObject(json)) {
    const members = isObject(like) ? like : {};
    return Object.fromEntries(Object.entries(json).map(([name, item]) => [name, follow(item, members[name])]));
  }
  return json as Value;
}

function isInteger(json: Json): json is number | string {
  return (typeof json === "number" && Number.isInteger(json)) || (typeof json === "string" && /^-?\d+$/.test(json));
}

function isObject<T>(value: unknown): value is { readonly [member: string]: T } {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
