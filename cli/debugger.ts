/** The commands of `ebpf-ts debug`: a table, and what they print. */
import type { ProgramSpec } from "../lib/object/index.ts";
import { formatHex } from "../lib/packet/index.ts";
import type { Breakpoint, Machine, RunInput, Stepper } from "../lib/vm/index.ts";
import { formatSource, formatValue, Listing } from "./listing.ts";
import type { Output } from "./output.ts";
import { contentsOf, tellMaps, tellRun } from "./results.ts";
import { formatTable } from "./table.ts";

interface CommandRow {
  /** The first is the full name. Any beginning that only one has will do too. */
  readonly names: readonly string[];
  readonly arguments?: string;
  readonly what: string;
  /** Answers to `argument`; false ends the session. */
  readonly act: (debugged: Debugger, argument: string) => boolean | void;
}

// prettier-ignore
const COMMANDS: readonly CommandRow[] = [
  { names: ["step", "s"],            arguments: "[N]",           what: "go on to the next source line, into functions",              act: (d, n) => d.move(n, (s) => s.stepLine()) },
  { names: ["stepi", "si"],          arguments: "[N]",           what: "execute one instruction",                                   act: (d, n) => d.move(n, (s) => s.step()) },
  { names: ["next", "n"],            arguments: "[N]",           what: "go on to the next source line of this function",             act: (d, n) => d.move(n, (s) => s.next()) },
  { names: ["finish", "fin"],                                    what: "go on until this function is left",                         act: (d) => d.move("", (s) => s.finish()) },
  { names: ["continue", "c"],                                    what: "go on to a breakpoint, or to the end",                      act: (d) => d.continue() },
  { names: ["break", "b"],           arguments: "[WHERE]",       what: "stop at a LINE, FILE:LINE, *SLOT or PROGRAM:*SLOT; list them", act: (d, where) => d.break(where) },
  { names: ["delete"],               arguments: "[N]",           what: "remove a breakpoint, or all",                               act: (d, n) => d.delete(n) },
  { names: ["print", "p"],           arguments: "WHAT",          what: "registers, stack, packet, maps, rN, or N bytes at rM or an address: 16 r6", act: (d, what) => d.print(what) },
  { names: ["list", "l"],                                        what: "instructions around this one, under their source lines",     act: (d) => d.list() },
  { names: ["backtrace", "bt"],                                  what: "the calls that lead here",                                  act: (d) => d.backtrace() },
  { names: ["run"],                                              what: "start over with the same event; maps keep their contents",  act: (d) => d.restart() },
  { names: ["help", "h"],                                        what: "this list",                                                 act: (d) => d.help() },
  { names: ["quit", "q", "exit"],                                what: "leave",                                                     act: () => false },
];

/** Instructions that `list` shows on either side. */
const AROUND = 6;
const STACK_BYTES = 512;

export class Debugger {
  private readonly machine: Machine;
  private readonly program: ProgramSpec;
  private readonly input: RunInput;
  private readonly out: Output;
  private readonly listing: Listing;
  private readonly breakpoints: (Breakpoint | null)[] = [];
  private stepper: Stepper;

  constructor(machine: Machine, program: ProgramSpec, input: RunInput, out: Output) {
    this.machine = machine;
    this.program = program;
    this.input = input;
    this.out = out;
    this.listing = new Listing(machine.object);
    this.stepper = machine.debug(program.name, input);
  }

  /** Begins the run again. */
  restart(): void {
    this.stepper.stop();
    this.stepper = this.machine.debug(this.program.name, this.input);
    this.where();
  }

  /** Does what a line says; false when that was to leave. */
  obey(line: string): boolean {
    const [word = "", ...rest] = line.split(/\s+/);
    if (word === "") return true;
    const command = findCommand(word);
    if (command !== null) return command.act(this, rest.join(" ")) ?? true;
    this.out.say(`no command ${word}: "help" lists them`);
    return true;
  }

  move(times: string, act: (stepper: Stepper) => void): void {
    if (this.isOver()) return;
    const count = Math.max(1, Number.parseInt(times, 10) || 1);
    for (let i = 0; i < count && this.stepper.moment !== null; i++) act(this.stepper);
    this.where();
  }

  continue(): void {
    if (this.isOver()) return;
    const met = this.stepper.continue(this.breakpoints.filter((breakpoint) => breakpoint !== null));
    if (met !== null) this.out.say(`breakpoint ${this.breakpoints.indexOf(met) + 1}`);
    this.where();
  }

  break(where: string): void {
    if (where === "") {
      const rows = this.breakpoints.flatMap((b, i) => (b === null ? [] : [`${i + 1}: ${breakpointText(b)}`]));
      return this.out.say(rows.join("\n") || "no breakpoints");
    }
    const breakpoint = parseBreakpoint(where);
    if (breakpoint === null)
      return this.out.say(`no place to stop at: ${where}; give LINE, FILE:LINE, *SLOT or PROGRAM:*SLOT`);
    const number = this.breakpoints.push(breakpoint);
    this.out.say(`${number}: ${breakpointText(breakpoint)}`);
  }

  delete(number: string): void {
    if (number === "") return void this.breakpoints.fill(null);
    const index = Number(number) - 1;
    if (this.breakpoints[index] === undefined || this.breakpoints[index] === null)
      return this.out.say(`no breakpoint ${number}`);
    this.breakpoints[index] = null;
  }

  print(what: string): void {
    const register = /^r(10|[0-9])$/.exec(what);
    const bytes = /^(\d+)\s+(r10|r[0-9]|0x[0-9a-f]+|\d+)([+-]\d+)?$/i.exec(what);
    if ("maps".startsWith(what) && what !== "") return tellMaps(contentsOf(this.machine), this.out);
    if (this.isOver()) return;
    if (register !== null) return this.registers([Number(register[1])]);
    if (bytes !== null) return this.bytes(Number(bytes[1]), bytes[2] ?? "", Number(bytes[3] ?? 0));
    if ("registers".startsWith(what) && what !== "") return this.registers(Array.from({ length: 11 }, (_, i) => i));
    if (what === "stack") return this.bytes(STACK_BYTES, "r10", -STACK_BYTES, true);
    if (what === "packet") return this.packet();
    this.out.say("print what? registers, stack, packet, maps, rN, or a number of bytes and where: 16 r6");
  }

  list(): void {
    const { moment } = this.stepper;
    if (this.isOver() || moment === null) return;
    const around = this.listing.around(moment.code.name, moment.slot, AROUND);
    for (const { slot, text, line } of around) {
      if (line !== undefined) this.out.say(`   ${formatSource(line)}`);
      this.out.say(instructionText(slot, text, slot === moment.slot));
    }
  }

  backtrace(): void {
    if (this.isOver()) return;
    for (const [i, { program, slot, source }] of this.stepper.frames.entries()) {
      const name = this.listing.functionAt(program, slot);
      this.out.say(`#${i}  ${name}, slot ${slot}${source === null ? "" : `, ${formatSource(source)}`}`);
    }
  }

  help(): void {
    const rows = COMMANDS.map(({ names, arguments: args, what }) => [`${names.join(", ")} ${args ?? ""}`.trim(), what]);
    this.out.say(formatTable(["command", "what it does"], [...rows, ["(empty line)", "the last command again"]]));
  }

  /** Says where the run is: the instruction that comes next, or what came of it. */
  where(): void {
    const { moment, source, result } = this.stepper;
    if (moment === null) {
      if (result !== null)
        tellRun(this.program, this.machine, { number: 1, packet: this.input.packet ?? null, result }, this.out);
      return;
    }
    if (source !== null) this.out.say(`   ${formatSource(source)}`);
    this.out.say(instructionText(moment.slot, this.listing.text(moment.code.name, moment.slot), true));
  }

  private isOver(): boolean {
    if (this.stepper.moment !== null) return false;
    this.out.say('the run is over: "run" starts it again');
    return true;
  }

  private registers(which: readonly number[]): void {
    const { moment } = this.stepper;
    const describe = (value: bigint): string | null => this.machine.describe(value);
    for (const i of which) {
      const value = moment?.registers[i] ?? 0n;
      this.out.say(`${`r${i}`.padEnd(4)} 0x${value.toString(16).padStart(16, "0")}  ${formatValue(value, describe)}`);
    }
  }

  /** A dump of memory; `nonzero` leaves out rows of zeros. */
  private bytes(size: number, base: string, offset: number, nonzero = false): void {
    const register = /^r(\d+)$/i.exec(base);
    const value = register === null ? BigInt(base) : (this.stepper.moment?.registers[Number(register[1])] ?? 0n);
    const start = Number(value) + offset;
    const memory = this.stepper.read(start, size);
    if (memory === null) return this.out.say(`there are no ${size} bytes at 0x${start.toString(16)}`);
    const rows = rowsOf(memory).filter(({ bytes }) => !nonzero || bytes.some((byte) => byte !== 0));
    for (const { at, bytes } of rows) {
      const relative = register === null ? `0x${(start + at).toString(16)}` : `${base}${plus(offset + at)}`;
      this.out.say(`${relative.padEnd(10)} ${formatHex(bytes).replaceAll(/../g, "$& ").trim()}`);
    }
    if (rows.length === 0) this.out.say("all zero");
  }

  private packet(): void {
    const { packet } = this.stepper;
    if (packet === null) return this.out.say("there is no packet at this hook");
    for (const { at, bytes } of rowsOf(packet))
      this.out.say(`${String(at).padStart(5)}  ${formatHex(bytes).replaceAll(/../g, "$& ").trim()}`);
  }
}

function findCommand(word: string): CommandRow | null {
  const exact = COMMANDS.find(({ names }) => names.includes(word));
  if (exact !== undefined) return exact;
  const beginning = COMMANDS.filter(({ names }) => names[0]?.startsWith(word) === true);
  return beginning.length === 1 ? (beginning[0] ?? null) : null;
}

function parseBreakpoint(where: string): Breakpoint | null {
  const slot = /^(?:(.+):)?\*(\d+)$/.exec(where);
  if (slot !== null) return { slot: Number(slot[2]), ...(slot[1] === undefined ? {} : { program: slot[1] }) };
  const line = /^(?:(.+):)?(\d+)$/.exec(where);
  if (line === null) return null;
  return { line: Number(line[2]), ...(line[1] === undefined ? {} : { file: line[1] }) };
}

function breakpointText(breakpoint: Breakpoint): string {
  if ("slot" in breakpoint)
    return `slot ${breakpoint.slot}${breakpoint.program === undefined ? "" : ` of ${breakpoint.program}`}`;
  return `line ${breakpoint.line}${breakpoint.file === undefined ? "" : ` of ${breakpoint.file}`}`;
}

function instructionText(slot: number, text: string, current: boolean): string {
  return `${current ? "=>" : "  "}${String(slot).padStart(5)}: ${text}`;
}

function rowsOf(bytes: Uint8Array): readonly { readonly at: number; readonly bytes: Uint8Array }[] {
  return Array.from({ length: Math.ceil(bytes.length / 16) }, (_, row) => ({
    at: row * 16,
    bytes: bytes.subarray(row * 16, row * 16 + 16),
  }));
}

function plus(offset: number): string {
  return offset < 0 ? String(offset) : `+${offset}`;
}
