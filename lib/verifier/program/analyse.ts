/**
 * From the bytes of a request to a `Program`: decode, find the functions, check the shape, and know all that can be known
 * without walking. The order of the checks is the kernel's, so that the first complaint is the same.
 */
import { HELPER_NAMES } from "../../kernel/index.ts";
import { resolveType } from "../../btf/index.ts";
import type { Btf, TypeId } from "../../btf/index.ts";
import { Rejection } from "../outcome.ts";
import { knowsField } from "../profiles/index.ts";
import type { KernelProfile } from "../profiles/index.ts";
import type { LoadRequest } from "../request.ts";
import { mapOf } from "../types/index.ts";
import { calleeAt } from "./callees.ts";
import type { Callee } from "./callees.ts";
import { checkEncodings, decodeCode } from "./decode.ts";
import { effectsOf } from "./effects.ts";
import { checkReachable, edgesBack, edgesOf, marksOf, postorderOf } from "./flow.ts";
import type { Loops } from "./flow.ts";
import { checkKernelCalls } from "./kernel-calls.ts";
import { loopsOf } from "./loops.ts";
import { checkMapsFit } from "./map-fit.ts";
import { checkMapLoads } from "./map-loads.ts";
import type { VerifierMap } from "./maps.ts";
import type { Flow, Program, Subprogram } from "./program.ts";
import { RawCode } from "./raw.ts";
import { liveRegistersOf } from "./registers.ts";
import { checkRanges, findFunctions } from "./subprograms.ts";
import type { FunctionRange, Who } from "./subprograms.ts";

/** Throws a Rejection for what the kernel refuses before it walks. Types of functions and lines are not its business. */
export function analyse(request: LoadRequest, who: Who): Program {
  const raw = new RawCode(request.code);
  checkSize(raw, request, who);
  const decoded = decodeCode(request.code, raw);
  const functions = findFunctions(raw, request, who);
  checkKernelCalls(raw, request);
  checkRanges(raw, functions);
  const callees = calleesOf(raw, request, who);
  const subprograms = subprogramsOf(raw, functions, callees, request);
  checkResults(subprograms, request);
  checkEncodings(raw);
  checkMapLoads(raw, request, who.profile.limits);
  const maps = request.maps.map((_, index) => asKnown(mapOf(index, { request }), who.profile));
  checkMapsFit(request, maps);
  const edges = edgesOf(raw);
  checkReachable(raw, edges, functions, loopsFor(who));
  const { firstBefore, before } = edgesBack(edges);
  const postorder = functions.map((f) => postorderOf(edges, f.start));
  const flow: Flow = { next: edges.next, target: edges.target, isJump: edges.isJump, firstBefore, before, postorder };
  const marks = marksOf(raw, callees);
  // Written out, not spread: the walk reads these at every instruction, and V8 gives each spread a hidden class of its own.
  return {
    insns: decoded.insns,
    badEncodings: decoded.badEncodings,
    flow,
    prunePoint: marks.prunePoint,
    checkpoint: marks.checkpoint,
    jumpPoint: marks.jumpPoint,
    callsCallback: marks.callsCallback,
    iteratorNext: marks.iteratorNext,
    subprograms,
    subprogramOf: subprogramBySlot(functions, raw.length),
    maps,
    mayWriteStack: stackWriters(raw),
    liveRegisters: liveRegistersOf(raw, callees, flow),
    loop: loopsOf(flow, raw.length),
  };
}

/** The map with the fields that the kernel knows; the same one where it knows all. */
function asKnown(map: VerifierMap, profile: KernelProfile): VerifierMap {
  const inner = map.inner === null ? null : asKnown(map.inner, profile);
  const { fields } = map.record;
  const known = fields.filter(({ kind }) => knowsField(profile, kind));
  return known.length === fields.length && inner === map.inner ? map : { ...map, record: { fields: known }, inner };
}

function loopsFor({ profile, privileges }: Who): Loops {
  if (!privileges.bpf) return "none";
  return profile.has("fall_through_loops") ? "all" : "jumps";
}

function subprogramBySlot(functions: readonly FunctionRange[], slots: number): Int32Array {
  const found = new Int32Array(slots);
  for (const [index, { start, end }] of functions.entries()) found.fill(index, start, end);
  return found;
}

function stackWriters(raw: RawCode): Uint8Array {
  const writers = new Uint8Array(raw.length);
  for (let slot = 0; slot < raw.length; slot += 1) if (raw.mayWrite(slot)) writers[slot] = 1;
  return writers;
}

function checkSize(raw: RawCode, request: LoadRequest, { profile, privileges }: Who): void {
  const limit = privileges.bpf ? profile.limits.processed : profile.limits.unprivilegedInsns;
  if (raw.length === 0 || request.code.length % 8 !== 0) throw new Rejection("empty_program", null, {});
  if (raw.length > limit) throw new Rejection("program_too_long", null, { count: raw.length, max: limit });
}

function calleesOf(raw: RawCode, request: LoadRequest, who: Who): Map<number, Callee> {
  const callees = new Map<number, Callee>();
  for (let slot = 0; slot < raw.length; slot += 1) {
    if (raw.isHelperCall(slot) || raw.isKernelCall(slot)) callees.set(slot, calleeAt(raw, slot, request, who));
  }
  return callees;
}

const TAIL_CALL = HELPER_NAMES.indexOf("tail_call");

function subprogramsOf(
  raw: RawCode,
  functions: readonly FunctionRange[],
  callees: ReadonlyMap<number, Callee>,
  request: LoadRequest,
): Subprogram[] {
  const effects = effectsOf(raw, functions, callees);
  return functions.map((range, index) => {
    const { start, end } = range;
    const { changesPacket, mightSleep, mightThrow } = effects[index] as (typeof effects)[number];
    const type = request.functions.find((f) => f.slot === start)?.type ?? 0;
    const func = request.btf?.types[type];
    return {
      index,
      name: func?.kind === "func" ? func.name : index === 0 ? request.name : `function ${index}`,
      start,
      end,
      type,
      global: func?.kind === "func" && func.linkage === "global",
      callback: range.exceptionCallback,
      asyncCallback: range.exceptionCallback,
      exceptionCallback: range.exceptionCallback,
      hasTailCall: raw.some(start, end, (slot) => raw.isHelperCall(slot) && raw.imm(slot) === TAIL_CALL),
      hasPacketLoads: raw.some(start, end, (slot) => raw.isPacketLoad(slot)),
      changesPacket,
      mightSleep,
      mightThrow,
      stackDepth: 0,
    };
  });
}

/** A packet load may end a function, and a tail call leaves it: it has to return a number, and its type to say so. */
function checkResults(subprograms: readonly Subprogram[], request: LoadRequest): void {
  for (const { index, start, name, type, hasPacketLoads, hasTailCall } of subprograms) {
    if (index === 0 || (!hasPacketLoads && !hasTailCall) || returnsNumber(request.btf, type)) continue;
    throw new Rejection("not_int_function", start, { what: hasPacketLoads ? "a packet load" : "a tail call", name });
  }
}

function returnsNumber(btf: Btf | null, type: TypeId): boolean {
  const func = btf?.types[type];
  if (btf === null || func?.kind !== "func") return false;
  const proto = btf.types[func.type];
  if (proto?.kind !== "func_proto") return false;
  const { type: result } = resolveType(btf, proto.result);
  if (result.kind === "int") return result.size <= 8;
  return result.kind === "enum" || result.kind === "enum64";
}
