/** Reasons (R2xx) about memory: bounds of packets, map values, stack, context and other memory; alignment; null. */
import { reasons } from "./reason.ts";

// prettier-ignore
export const MEMORY_REASONS = reasons({
  out_of_packet: { code: "R201", says: "{size} bytes at offset {offset} are not proven to be in the packet", remedy: "check the length first", kernel: [/^R\d+ offset is outside of the packet/] },
});
