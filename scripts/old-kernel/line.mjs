// What guest and host say to each other over the serial line: a JSON value a line, packed, behind a mark that nothing else prints.
import { Buffer } from "node:buffer";
import { gzipSync } from "node:zlib";

export const MARK = "@old-kernel ";

export function lineOf(message) {
  return `${MARK}${Buffer.from(gzipSync(JSON.stringify(message))).toString("base64")}\n`;
}
