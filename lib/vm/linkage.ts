/** What a linked program's code refers to in a machine: maps by the slots that name them, helpers by number. */
import { HELPER_NAMES, mayCall, mayCallKernel } from "../kernel/index.ts";
import type { LinkedProgram } from "../object/index.ts";
import type { Executable, HelperFunction, Linkage } from "./engine.ts";
import { Trap } from "./fault.ts";
import { ArrayMap } from "./maps/index.ts";
import type { VmMap } from "./maps/index.ts";
import type { Packet } from "./packet.ts";

export interface Surroundings {
  readonly maps: ReadonlyMap<string, VmMap>;
  readonly helpers: ReadonlyMap<number, HelperFunction>;
  readonly kernelFunctions: ReadonlyMap<string, HelperFunction>;
  readonly tailCall: (map: bigint, index: bigint) => Executable | null;
  readonly packet: () => Packet | null;
}

export function linkageOf(program: LinkedProgram, around: Surroundings): Linkage {
  const references = new Map(program.mapReferences.map((reference) => [reference.slot, reference]));
  return {
    helper: (id) => helperFor(program, around.helpers, id),
    kfunc: (_btfId, slot) => kfuncFor(program, around.kernelFunctions, slot),
    pseudo: (_insn, slot) => {
      const reference = references.get(slot);
      const map = reference === undefined ? undefined : around.maps.get(reference.map);
      if (reference === undefined || map === undefined) return null;
      const address = reference.kind === "map" ? map.handle.start : map.valueAddress(reference.offset);
      return address === null ? null : BigInt(address);
    },
    tailCall: around.tailCall,
    arrayAt: (address) => {
      const map = [...around.maps.values()].find(({ handle }) => BigInt(handle.start) === address);
      return map instanceof ArrayMap ? map.layout() : null;
    },
    loadPacket: (offset, size) => loadPacket(around.packet(), offset, size),
  };
}

/** A helper that the kernel would not let this program call traps when it is called: the code may never come to it. */
function helperFor(
  { type, attach }: LinkedProgram,
  helpers: Surroundings["helpers"],
  id: number,
): HelperFunction | null {
  const name = HELPER_NAMES[id];
  if (name === undefined || name === "unspec" || mayCall(name, type, attach)) return helpers.get(id) ?? null;
  const where = attach === null || attach === type ? type : `${type} (${attach})`;
  return () => {
    throw new Trap("helper", `helper ${name} is not for programs of type ${where}: the kernel refuses them`);
  };
}

/** Functions of the kernel are known by the name that the object calls them by. */
function kfuncFor(
  { kernelCalls, type }: LinkedProgram,
  functions: Surroundings["kernelFunctions"],
  slot: number,
): HelperFunction | null {
  const name = kernelCalls.find((call) => call.slot === slot)?.name;
  if (name === undefined) return null;
  const known = functions.get(name);
  const allowed = mayCallKernel(name, type);
  if (known !== undefined && allowed) return known;
  const why = known !== undefined ? `is not for programs of type ${type}: the kernel refuses them` : "is not simulated";
  return () => {
    throw new Trap("helper", `the kernel's function ${name} ${why}`);
  };
}

/** Big-endian packet bytes; null when they are not there. */
function loadPacket(packet: Packet | null, offset: number, size: 1 | 2 | 4): bigint | null {
  if (packet === null) throw new Trap("unsupported", "a packet load at a hook that has no packet");
  if (offset < 0) throw new Trap("unsupported", `a packet load at offset ${offset}: ancillary data is not simulated`);
  if (offset + size > packet.length) return null;
  return packet.bytes.subarray(offset, offset + size).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}
