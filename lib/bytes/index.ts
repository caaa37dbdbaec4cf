export { formatAddress, formatMac, parseAddress, parseMac } from "./address.ts";
export type { AddressFamily } from "./address.ts";
export { Reader, Writer } from "./cursor.ts";
