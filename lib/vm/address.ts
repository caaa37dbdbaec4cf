/** IP addresses in fields: `lib/bytes` knows their text, this machine says when it is none. */
import { parseAddress as parse } from "../bytes/index.ts";
import type { AddressFamily } from "../bytes/index.ts";
import { vmError } from "./diagnostics.ts";

/** The 4 bytes of `10.0.0.1`, the 16 of `fd00::1`. Throws V011 for anything else. */
export function parseAddress(text: string, family: AddressFamily): Uint8Array {
  const bytes = parse(text, family);
  if (bytes !== null) return bytes;
  throw vmError("V011", `${JSON.stringify(text)} is not an ${family === "ipv4" ? "IPv4" : "IPv6"} address`);
}
