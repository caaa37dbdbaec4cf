/** What may be read and written through a pointer, and what a load gives. */
export { accessMemory } from "./access.ts";
export type { Access, AccessOptions } from "./access.ts";
export { accessAtomic, loadAcquire, loadPacket, storeRelease } from "./instructions.ts";
export { checkRegion, checkSizedRegion, fillRegions } from "./region.ts";
export type { Region } from "./region.ts";
export { checkAlignment } from "./alignment.ts";
export { describe } from "./describe.ts";
export { checkFixedOffset } from "./fixed-offset.ts";
export { invalidatePackets, packetAllowed } from "./packet.ts";
export { destroyDynptr } from "./stack/slots.ts";
export { hasBarrierBehind } from "./stack/speculation.ts";
