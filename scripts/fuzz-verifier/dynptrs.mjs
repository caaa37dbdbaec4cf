// Blocks about dynptrs: made of a value, of a ring buffer, of the packet; read, written, sliced, cut, cloned.
import { helperAt, mapIndex } from "./world.mjs";

/** Below buffers: the dynptr, and a clone of it. */
const PLACE = -256;
const CLONE = -272;

/** Which function makes one of the packet, by program type. */
const OF_PACKET = {
  xdp: "bpf_dynptr_from_xdp",
  sched_cls: "bpf_dynptr_from_skb",
  cgroup_skb: "bpf_dynptr_from_skb",
  socket_filter: "bpf_dynptr_from_skb",
  sk_skb: "bpf_dynptr_from_skb",
};

const offers = (w, ...names) => names.every((name) => helperAt(w.hook, name) !== null);

function pointTo(w, register, off) {
  w.code.mov(register, { reg: 10 });
  w.code.alu("add", register, off);
}

function call(w, name, result = { k: "scalar", max: null }) {
  w.code.call(helperAt(w.hook, name));
  w.afterCall(result);
}

/** False where the running kernel has no such function. */
function callKernel(w, name, result = { k: "scalar", max: null }) {
  const id = w.kernel.get(name);
  if (id === undefined || w.plain) return false;
  w.code.callKernel(id);
  w.afterCall(result);
  return true;
}

/** Something that is done with a dynptr at an offset of the stack. */
function use(w, at) {
  const { random, code } = w;
  const off = w.buffer(8, true);
  switch (random.below(8)) {
    case 0:
      pointTo(w, 1, off);
      code.mov(2, 8);
      pointTo(w, 3, at);
      code.mov(4, random.below(16));
      code.mov(5, 0);
      return call(w, "dynptr_read");
    case 1:
      pointTo(w, 1, at);
      code.mov(2, random.below(16));
      pointTo(w, 3, off);
      code.mov(4, 8);
      code.mov(5, 0);
      call(w, "dynptr_write");
      return w.movePackets();
    case 2:
      pointTo(w, 1, at);
      code.mov(2, random.below(16));
      code.mov(3, random.pick([4, 8]));
      call(w, "dynptr_data", { k: "none" });
      return peek(w, 4);
    case 3:
    case 4: {
      const buffer = w.buffer(16, true);
      pointTo(w, 1, at);
      code.mov(2, random.below(16));
      if (random.chance(70)) pointTo(w, 3, buffer);
      else code.mov(3, 0);
      code.mov(4, random.pick([4, 8, 16]));
      if (!callKernel(w, random.pick(["bpf_dynptr_slice", "bpf_dynptr_slice_rdwr"]), { k: "none" })) return undefined;
      return peek(w, 4, random.chance(20));
    }
    case 5:
      pointTo(w, 1, at);
      code.mov(2, random.below(4));
      code.mov(3, random.between(4, 12));
      return callKernel(w, "bpf_dynptr_adjust");
    case 6:
      pointTo(w, 1, at);
      return callKernel(w, random.pick(["bpf_dynptr_is_null", "bpf_dynptr_is_rdonly", "bpf_dynptr_size"]));
    default:
      pointTo(w, 1, at);
      pointTo(w, 2, CLONE);
      return callKernel(w, "bpf_dynptr_clone");
  }
}

/** What r0 points to, where it does: read, at times written. */
function peek(w, bytes, writes = false) {
  const { code } = w;
  const after = code.label();
  code.jumpIf("eq", 0, 0, after);
  if (writes) code.store(bytes, 0, 0, 1);
  else code.load(bytes, 1, 0, 0);
  code.mark(after);
}

function useSome(w, at) {
  for (let i = w.random.between(1, 3); i > 0; i--) use(w, w.random.chance(95) ? at : CLONE);
}

function ofValue(w) {
  const { random, code } = w;
  const value = w.registersOf("value").find((r) => r > 5 && w.kind(r).map === "globals");
  if (value === undefined || !offers(w, "dynptr_from_mem")) return false;
  code.mov(1, { reg: value });
  code.mov(2, random.between(1, Math.max(w.kind(value).size, 1)));
  code.mov(3, 0);
  pointTo(w, 4, PLACE);
  call(w, "dynptr_from_mem");
  useSome(w, PLACE);
  return true;
}

/** Has to be given back, whether there was memory or not. */
function ofRing(w) {
  const { random, code } = w;
  if (!offers(w, "ringbuf_reserve_dynptr", "dynptr_read") || w.held > 0 || w.nesting > 2) return false;
  code.map(1, mapIndex("ring"));
  code.mov(2, random.pick([8, 16, 64]));
  code.mov(3, 0);
  pointTo(w, 4, PLACE);
  call(w, "ringbuf_reserve_dynptr");
  w.held++;
  useSome(w, PLACE);
  if (random.chance(30)) w.block();
  w.held--;
  pointTo(w, 1, PLACE);
  code.mov(2, 0);
  if (random.chance(97)) call(w, random.pick(["ringbuf_submit_dynptr", "ringbuf_discard_dynptr"]), { k: "none" });
  return true;
}

function ofPacket(w) {
  const { random, code, hook } = w;
  const context = w.find("ctx");
  const name = OF_PACKET[hook.type] ?? (random.chance(1) ? OF_PACKET.xdp : undefined);
  if (context === null || name === undefined || w.plain || !offers(w, "dynptr_read")) return false;
  if (context !== 1) code.mov(1, { reg: context });
  code.mov(2, 0);
  pointTo(w, 3, PLACE);
  if (!callKernel(w, name)) return false;
  useSome(w, PLACE);
  return true;
}

export const DYNPTRS = [
  [3, ofValue],
  [3, ofRing],
  [3, ofPacket],
];
