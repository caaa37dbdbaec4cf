/**
 * Layouts of `union bpf_attr`: for each command its number, the bytes to pass, and where its fields lie.
 *
 * One row says a fact once; `buildAttr` turns named values into bytes plus the list of places where the native shim puts
 * addresses of buffers. Fields that are not given are zero, which the kernel takes for "not used"; an older kernel
 * accepts a longer attribute as long as what it does not know is zero.
 *
 * Source: include/uapi/linux/bpf.h (Linux 6.18). Offsets in bytes; all integers little-endian here (the loader runs on
 * little-endian machines only, `shim.ts` refuses others).
 */
import { loaderError } from "../errors.ts";

type FieldKind = "u32" | "u64" | "ptr" | "name";
type Field = readonly [offset: number, kind: FieldKind];
interface Command {
  readonly cmd: number;
  readonly size: number;
  readonly fields: Readonly<Record<string, Field>>;
}

// prettier-ignore
const ELEM = { map_fd: [0, "u32"], key: [8, "ptr"], value: [16, "ptr"], flags: [24, "u64"] } as const;
// prettier-ignore
const BATCH = {
  in_batch: [0, "ptr"], out_batch: [8, "ptr"], keys: [16, "ptr"], values: [24, "ptr"], count: [32, "u32"], map_fd: [36, "u32"],
  elem_flags: [40, "u64"], flags: [48, "u64"],
} as const;
const OBJ = { pathname: [0, "ptr"], bpf_fd: [8, "u32"], file_flags: [12, "u32"] } as const;
// prettier-ignore
const ATTACH = {
  target_fd: [0, "u32"], attach_bpf_fd: [4, "u32"], attach_type: [8, "u32"], attach_flags: [12, "u32"], replace_bpf_fd: [16, "u32"],
} as const;

/** The commands that the loader uses, by the kernel's lower-case name without `BPF_`. */
// prettier-ignore
export const COMMANDS = {
  map_create: { cmd: 0, size: 72, fields: {
    map_type: [0, "u32"], key_size: [4, "u32"], value_size: [8, "u32"], max_entries: [12, "u32"], map_flags: [16, "u32"],
    inner_map_fd: [20, "u32"], numa_node: [24, "u32"], map_name: [28, "name"], map_ifindex: [44, "u32"], btf_fd: [48, "u32"],
    btf_key_type_id: [52, "u32"], btf_value_type_id: [56, "u32"], map_extra: [64, "u64"] } },
  map_lookup_elem:            { cmd: 1,  size: 32, fields: ELEM },
  map_update_elem:            { cmd: 2,  size: 32, fields: ELEM },
  map_delete_elem:            { cmd: 3,  size: 32, fields: ELEM },
  /** `value` is where the next key goes. */
  map_get_next_key:           { cmd: 4,  size: 32, fields: ELEM },
  prog_load: { cmd: 5, size: 144, fields: {
    prog_type: [0, "u32"], insn_cnt: [4, "u32"], insns: [8, "ptr"], license: [16, "ptr"], log_level: [24, "u32"],
    log_size: [28, "u32"], log_buf: [32, "ptr"], prog_flags: [44, "u32"], prog_name: [48, "name"], prog_ifindex: [64, "u32"],
    expected_attach_type: [68, "u32"], prog_btf_fd: [72, "u32"], func_info_rec_size: [76, "u32"], func_info: [80, "ptr"],
    func_info_cnt: [88, "u32"], line_info_rec_size: [92, "u32"], line_info: [96, "ptr"], line_info_cnt: [104, "u32"],
    attach_btf_id: [108, "u32"], attach_prog_fd: [112, "u32"], fd_array: [120, "ptr"], log_true_size: [140, "u32"] } },
  obj_pin:                    { cmd: 6,  size: 16, fields: OBJ },
  obj_get:                    { cmd: 7,  size: 16, fields: OBJ },
  prog_attach:                { cmd: 8,  size: 20, fields: ATTACH },
  prog_detach:                { cmd: 9,  size: 20, fields: ATTACH },
  prog_test_run: { cmd: 10, size: 80, fields: {
    prog_fd: [0, "u32"], retval: [4, "u32"], data_size_in: [8, "u32"], data_size_out: [12, "u32"], data_in: [16, "ptr"],
    data_out: [24, "ptr"], repeat: [32, "u32"], duration: [36, "u32"], ctx_size_in: [40, "u32"], ctx_size_out: [44, "u32"],
    ctx_in: [48, "ptr"], ctx_out: [56, "ptr"], flags: [64, "u32"], cpu: [68, "u32"], batch_size: [72, "u32"] } },
  prog_get_fd_by_id:          { cmd: 13, size: 12, fields: { prog_id: [0, "u32"] } },
  obj_get_info_by_fd:         { cmd: 15, size: 16, fields: { bpf_fd: [0, "u32"], info_len: [4, "u32"], info: [8, "ptr"] } },
  /** `prog_cnt`: how many ids `prog_ids` has room for, then how many there are. */
  prog_query: { cmd: 16, size: 64, fields: {
    target: [0, "u32"], attach_type: [4, "u32"], prog_ids: [16, "ptr"], prog_cnt: [24, "u32"] } },
  btf_load: { cmd: 18, size: 32, fields: {
    btf: [0, "ptr"], btf_log_buf: [8, "ptr"], btf_size: [16, "u32"], btf_log_size: [20, "u32"], btf_log_level: [24, "u32"],
    btf_log_true_size: [28, "u32"] } },
  map_lookup_and_delete_elem: { cmd: 21, size: 32, fields: ELEM },
  map_freeze:                 { cmd: 22, size: 4,  fields: { map_fd: [0, "u32"] } },
  map_lookup_batch:           { cmd: 24, size: 56, fields: BATCH },
  map_update_batch:           { cmd: 26, size: 56, fields: BATCH },
  map_delete_batch:           { cmd: 27, size: 56, fields: BATCH },
  link_create: { cmd: 28, size: 32, fields: {
    prog_fd: [0, "u32"], target: [4, "u32"], attach_type: [8, "u32"], flags: [12, "u32"] } },
  link_update: { cmd: 29, size: 16, fields: {
    link_fd: [0, "u32"], new_prog_fd: [4, "u32"], flags: [8, "u32"], old_prog_fd: [12, "u32"] } },
  link_detach:                { cmd: 34, size: 4,  fields: { link_fd: [0, "u32"] } },
} as const satisfies Readonly<Record<string, Command>>;

export type CommandName = keyof typeof COMMANDS;
export type FieldName<C extends CommandName> = keyof (typeof COMMANDS)[C]["fields"] & string;

/** A number or bigint for an integer field, bytes for a `ptr` field, text for a `name` field (16 bytes with its zero). */
export type FieldValue = number | bigint | string | Uint8Array;
export type FieldValues<C extends CommandName> = Readonly<Partial<Record<FieldName<C>, FieldValue>>>;

/** An attribute ready for the shim: its bytes, and flat pairs of an offset and the buffer whose address belongs there. */
export interface Attr {
  readonly cmd: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly pointers: readonly (number | Uint8Array)[];
}

/** Lays out one command. A value of a kind that its field does not take is a defect of the loader: `TypeError`. */
export function buildAttr<C extends CommandName>(command: C, values: FieldValues<C>): Attr {
  const { cmd, size, fields }: Command = COMMANDS[command];
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const pointers: (number | Uint8Array)[] = [];
  for (const [name, value] of Object.entries<FieldValue | undefined>(values)) {
    const field = fields[name];
    if (field === undefined) throw new TypeError(`${command} has no field ${name}`);
    if (value !== undefined) put(view, pointers, field, value);
  }
  return { cmd, bytes, view, pointers };
}

function put(view: DataView, pointers: (number | Uint8Array)[], [offset, kind]: Field, value: FieldValue): void {
  if (kind === "u32" && typeof value === "number") view.setUint32(offset, value, true);
  else if (kind === "u64" && typeof value !== "string" && typeof value !== "object")
    view.setBigUint64(offset, BigInt(value), true);
  else if (kind === "name" && typeof value === "string") new Uint8Array(view.buffer, offset, 16).set(encodeName(value));
  else if (kind === "ptr" && value instanceof Uint8Array) pointers.push(offset, value);
  else throw new TypeError(`a ${kind} field does not take ${typeof value}`);
}

/** Reads a u32 that the kernel wrote into an attribute. */
export function readField<C extends CommandName>(command: C, attr: Attr, name: FieldName<C>): number {
  const fields: Readonly<Record<string, Field>> = COMMANDS[command].fields;
  const field = fields[name];
  if (field === undefined) throw new TypeError(`${command} has no field ${name}`);
  return attr.view.getUint32(field[0], true);
}

/**
 * An object's name as the kernel accepts it: at most 15 of `[A-Za-z0-9_.]` (bpf_obj_name_cpy, kernel/bpf/syscall.c).
 * Other characters become `_`. Names only label; nothing refers by them.
 */
export function encodeName(name: string): Uint8Array {
  return new TextEncoder().encode(name.replace(/[^A-Za-z0-9_.]/g, "_").slice(0, 15));
}

/** Text for the kernel: UTF-8 and a zero byte. Text that holds a zero byte would be cut short: refused. */
export function encodeText(text: string): Uint8Array {
  if (text.includes("\0")) throw loaderError("L004", `${JSON.stringify(text)} holds a zero byte`);
  return new TextEncoder().encode(`${text}\0`);
}
