/** What a linked program's code refers to in a machine: maps by the slots that name them, helpers by number. */
import type { LinkedProgram } from "../object/index.ts";
import type { Executable, HelperFunction, Linkage } from "./engine.ts";
import { Trap } from "./fault.ts";
import type { VmMap } from "./maps/index.ts";
import type { Packet } from "./packet.ts";

export interface Surroundings {
  readonly maps: ReadonlyMap<string, VmMap>;
  readonly helpers: ReadonlyMap<number, HelperFunction>;
  readonly tailCall: (map: bigint, index: bigint) => Executable | null;
  readonly packet: () => Packet | null;
}

export function linkageOf(program: LinkedProgram, around: Surroundings): Linkage {
  const references = new Map(program.mapReferences.map((reference) => [reference.slot, reference]));
  return {
    helper: (id) => around.helpers.get(id) ?? null,
    pseudo: (_insn, slot) => {
      const reference = references.get(slot);
      const map = reference === undefined ? undefined : around.maps.get(reference.map);
      if (reference === undefined || map === undefined) return null;
      const address = reference.kind === "map" ? map.handle.start : map.valueAddress(reference.offset);
      return address === null ? null : BigInt(address);
    },
    tailCall: around.tailCall,
    loadPacket: (offset, size) => loadPacket(around.packet(), offset, size),
  };
}

/** Big-endian packet bytes; null when they are not there. */
function loadPacket(packet: Packet | null, offset: number, size: 1 | 2 | 4): bigint | null {
  if (packet === null) throw new Trap("unsupported", "a packet load at a hook that has no packet");
  if (offset < 0) throw new Trap("unsupported", `a packet load at offset ${offset}: ancillary data is not simulated`);
  if (offset + size > packet.length) return null;
  return packet.bytes.subarray(offset, offset + size).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
