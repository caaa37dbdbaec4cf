/** Testing kernel-side programs: load, run on packets and other events, judge; without a kernel, or against it. */
export { loadObject, loadProgram, TestObject, TestProgram } from "./load.ts";
export type { LoadOptions, LoadProgramOptions } from "./load.ts";
export type { Changes, ProgramSource } from "./source.ts";
export type { Event, Input, Outcome, Step, TargetName, TestResult } from "./result.ts";
export { targets } from "./targets.ts";
export type { TestTarget } from "./targets.ts";
export { hasTestRun, kernelRefusal } from "./kernel-target.ts";
export { matchers } from "./matchers.ts";
export type { ProgramMatchers } from "./matchers.ts";
export {
  assertDrop,
  assertEntry,
  assertEvents,
  assertFault,
  assertNoEntry,
  assertNoFault,
  assertPacket,
  assertPass,
  assertRedirect,
  assertReturn,
  assertTransmit,
} from "./assert.ts";
export { Coverage } from "./coverage/record.ts";
export type { BranchCoverage, CoverageSummary, FileCoverage, FunctionCoverage, Share } from "./coverage/coverage.ts";
export { TESTING_DIAGNOSTICS } from "./diagnostics.ts";
export type { TestingCode } from "./diagnostics.ts";
export type { MapView } from "../lib/vm/index.ts";
export {
  dissect,
  formatPacket,
  fragments,
  formatHex,
  parseHex,
  readCapture,
  readFrames,
  writePcap,
} from "../lib/packet/index.ts";
export type { CapturedPacket, HeaderOption, Layer, LayerSpec, Path, Start } from "../lib/packet/index.ts";
export {
  arp,
  authentication,
  destinationOptions,
  ethernet,
  fragment,
  hopByHop,
  icmp,
  icmpv6,
  ipv4,
  ipv6,
  packet,
  padding,
  payload,
  routing,
  tcp,
  udp,
  vlan,
} from "../lib/packet/index.ts";
