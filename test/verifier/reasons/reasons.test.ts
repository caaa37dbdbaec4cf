/** The tables of reasons: codes by area, sentences that can be filled, and the kernels' words that belong to each. */
import { describe, expect, test } from "vitest";
import { REASONS, fillSentence, reasonOfLine } from "../../../lib/verifier/reasons/index.ts";
import type { ReasonCode } from "../../../lib/verifier/reasons/index.ts";

const ROWS = Object.entries(REASONS);

/** Lines of kernels from 5.10 to 6.18, and the reason that each is. */
// prettier-ignore
const KERNEL_LINES: readonly [line: string, name: ReasonCode][] = [
  ["unknown opcode ff", "bad_instruction"],
  ["BPF_STX uses reserved fields", "reserved_field"],
  ["jump out of range from insn 3 to 70", "jump_out_of_range"],
  ["unreachable insn 4", "unreachable_code"],
  ["back-edge from insn 5 to 2", "back_edge"],
  ["infinite loop detected at insn 3", "infinite_loop"],
  ["BPF program is too large. Processed 1000001 insn", "too_many_steps"],
  ["The sequence of 8193 jumps is too complex.", "too_many_jumps"],
  ["combined stack size of 3 calls is 544. Too large", "stack_too_big"],
  ["R3 !read_ok", "uninitialised_register"],
  ["R1 pointer arithmetic on sock_or_null prohibited, null-check it first", "null_arithmetic"],
  ["R1 pointer arithmetic on PTR_TO_MAP_VALUE_OR_NULL prohibited, null-check it first", "null_arithmetic"],
  ["R1 pointer arithmetic on sock prohibited", "pointer_kind_arithmetic"],
  ["R2 pointer arithmetic with *= operator prohibited", "pointer_operator"],
  ["math between map_value pointer and 4294967294 is not allowed", "offset_too_big"],
  ["math between pkt pointer and register with unbounded min value is not allowed", "offset_unbounded"],
  ["At program exit the register R0 has value (0x2; 0x0) should have been in (0x0; 0x1)", "return_range"],
  ["At program exit the register R0 has smin=2 smax=2 should have been in [0, 1]", "return_range"],
  ["At program exit the register R0 has unknown scalar value should have been in [0, 1]", "return_range"],
  ["In callback the register R0 has smin=2 smax=2 should have been in [0, 1]", "return_range"],
  ["R0 leaks addr as return value", "return_leak"],
  ["R2 leaks addr into map", "pointer_leak"],
  ["invalid access to packet, off=12 size=2, R1(id=0,off=12,r=0)", "out_of_packet"],
  ["R1 offset is outside of the packet", "out_of_packet"],
  ["R6 invalid mem access 'inv'", "number_access"],
  ["R6 invalid mem access 'scalar'", "number_access"],
  ["R0 invalid mem access 'map_value_or_null'", "null_access"],
  ["R0 invalid mem access 'trusted_ptr_or_null_'", "null_access"],
  ["R1 invalid mem access 'map_ptr'", "kind_access"],
  ["dereference of modified ctx ptr R1 off=8 disallowed", "modified_pointer"],
  ["variable ctx access var_off=(0x0; 0x4) disallowed", "variable_pointer"],
  ["R0 min value is negative, either use unsigned index or do a if (index >=0) check.", "negative_offset"],
  ["invalid access to map value, value_size=8 off=8 size=8", "out_of_map_value"],
  ["R0 unbounded memory access, make sure to bounds check any such access", "unbounded_access"],
  ["R1 unbounded memory access, make sure to bounds check any array access into a map", "unbounded_access"],
  ["R0 max value is outside of the array range", "out_of_bounds"],
  ["invalid stack off=-520 size=8", "out_of_stack"],
  ["invalid write to stack R1 off=-64 size=65", "out_of_stack"],
  ["invalid indirect read from stack R2 off -8+0 size 8", "uninitialised_stack"],
  ["invalid indirect read from stack off -8+0 size 8", "uninitialised_stack"],
  ["invalid read from stack off -16+0 size 8", "uninitialised_stack"],
  ["invalid read from stack R1 off -24+0 size 16", "uninitialised_stack"],
  ["misaligned stack access off (0x0; 0x0)+-12+0 size 8", "misaligned"],
  ["misaligned access off (0x0; 0xff)+0+0 size 4", "misaligned"],
  ["R0 cannot write into rdonly_mem", "read_only"],
  ["write into map forbidden, value_size=4 off=0 size=4", "map_write_forbidden"],
  ["R2 invalid zero-sized read", "zero_sized"],
  ["R2 min value is negative, either use unsigned or 'var &= const'", "negative_size"],
  ["R2 unbounded memory access, use 'var &= const' or 'if (var < const)'", "unbounded_size"],
  ["invalid func unknown#1234567", "unknown_helper"],
  ["unknown func bpf_get_retval#186", "helper_not_here"],
  ["program of this type cannot use helper bpf_get_retval#186", "helper_not_here"],
  ["cannot call GPL only function from proprietary program", "helper_needs_gpl"],
  ["cannot call GPL-restricted function from non-GPL compatible program", "helper_needs_gpl"],
  ["R1 type=map_value_or_null expected=fp, pkt", "argument_may_be_null"],
  ["R1 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value", "argument_type"],
  ["R1 type=inv expected=fp", "argument_type"],
  ["R1 must be referenced when passed to release function", "argument_not_released"],
  ["cannot pass map_type 1 into func bpf_get_local_storage#81", "map_kind"],
  ["fd 0 is not pointing to valid bpf_map", "bad_map"],
  ["calling kernel function bpf_sock_destroy is not allowed", "kfunc_not_here"],
  ["Possibly NULL pointer passed to trusted arg0", "kfunc_null_argument"],
  ["Expected an initialized dynptr as arg #2", "dynptr_expected"],
  ["expected an initialized iter_num as arg #1", "iterator_expected"],
  ["bpf_spin_lock at off=16 must be held for bpf_rb_root", "collection_lock"],
  ["invalid bpf_context access off=20 size=4", "context_access"],
  ["R0 invalid sock access off=50 size=2", "socket_access"],
  ["access beyond struct task_struct at off 99999 size 8", "object_access"],
  ["bpf_spin_lock cannot be accessed directly by load/store", "special_field_access"],
  ["Caller passes invalid args into func#1 ('foo')", "global_argument"],
  ["attach_btf_id 42 is not a function", "attach_target"],
  ["Unreleased reference id=2 alloc_insn=7", "reference_leak"],
  ["BPF_EXIT instruction in main prog would lead to reference leak", "reference_leak"],
  ["bpf_spin_unlock is missing", "lock_held"],
  ["function calls are not allowed while holding a lock", "call_under_lock"],
  ["BPF_EXIT instruction in main prog cannot be used inside bpf_preempt_disable-ed region", "preempt_held"],
  ["sleepable helper bpf_copy_from_user#148 in rcu_read_lock region", "rcu_sleeps"],
  ["BPF_EXIT instruction in main prog cannot be used inside bpf_local_irq_save-ed region", "irq_held"],
];

describe("the tables", () => {
  test("a code belongs to one reason", () => {
    const codes: string[] = ROWS.map(([, row]) => row.code);
    expect(codes.filter((code, at) => codes.indexOf(code) !== at)).toEqual([]);
    expect(codes.filter((code) => !/^R[0-6]\d\d$/.test(code) || code === "R000")).toEqual([]);
  });

  test("a table has the codes of its hundred", () => {
    const hundreds = ROWS.map(([, row]) => row.code.slice(0, 2));
    expect(hundreds).toEqual(hundreds.toSorted());
  });

  test("sentences are clauses without a full stop, and brackets pair", () => {
    for (const [name, row] of ROWS) {
      for (const text of [row.says, row.remedy]) {
        expect(text, name).not.toMatch(/[^.]\.$|^(?!Linux )[A-Z][a-z]|\[[^\]]*\[/);
        expect(text.split("[").length, name).toBe(text.split("]").length);
      }
    }
  });
});

describe("kernels' words", () => {
  test.each(KERNEL_LINES)("%s", (line, name) => {
    expect(reasonOfLine(line)?.name).toBe(name);
  });

  test("facts are taken out of the line", () => {
    expect(reasonOfLine("invalid access to map value, value_size=8 off=16 size=4")).toEqual({
      name: "out_of_map_value",
      facts: { limit: "8", offset: "16", size: "4" },
    });
    expect(reasonOfLine("some words")).toBeNull();
  });
});

describe("sentences", () => {
  test.each([
    ["{register} is lost", { register: 3 }, "r3 is lost"],
    ["an access[: {size} bytes at {offset}]", { size: 4, offset: -8n }, "an access: 4 bytes at -8"],
    ["an access[: {size} bytes at {offset}]", { size: 4 }, "an access"],
    ["function {name}", {}, "function ?"],
  ] as const)("%s", (sentence, facts, text) => {
    expect(fillSentence(sentence, facts)).toBe(text);
  });
});
