// XDP that moves the edges of frames and sends them elsewhere, by rules, and programs behind it that tell what they saw of
// IPv4 frames. A rule's index, and the number in what is told, is the program's number.
import {
  ArrayMap, CpuMap, DevMap, DevMapHash, EtherType, Ethernet, RingBuffer, SkBuff, Udp, XdpAction, XdpContext, tcxEgress, tcxIngress,
  xdp, xdpCpumap, xdpDevmap,
} from "ebpf-ts/std";
import { redirect } from "ebpf-ts/std/bpf";

/** EtherType of a frame within a frame, one for experiments. */
const WRAPPED: u16 = 0x88b5;

namespace Via {
  export const Redirect: u32 = 1;
  export const DevMap: u32 = 2;
  export const DevMapHash: u32 = 3;
  export const CpuMap: u32 = 4;
}

@unmanaged @final
class Rule {
  verdict: i32;
  /** By how much the edges move. */
  head: i32;
  tail: i32;
  /** What is put in front as metadata; 0: none. */
  meta: u32;
  /** Who is asked for a redirection, and for which index. */
  via: u32;
  index: u32;
  flags: u32;
  /** The last byte of the destination's Ethernet address; 0: it stays. */
  station: u32;
}

@unmanaged @final
class Seen {
  program: u32;
  length: u32;
  protocol: u32;
  meta: u32;
  ingressIfindex: u32;
  egressIfindex: u32;
}

@unmanaged @final
class Mark {
  value: u32;
}

export const rules = new ArrayMap<Rule>(8);
export const seen = new RingBuffer<Seen>(16384);
export const devices = new DevMap(4);
export const numbered = new DevMapHash(4);
export const cpus = new CpuMap(4);

function tell(program: u32, length: u32, protocol: u32, meta: u32, ingress: u32, egress: u32): void {
  const place = seen.reserve();
  if (!place) return;
  place.program = program;
  place.length = length;
  place.protocol = protocol;
  place.meta = meta;
  place.ingressIfindex = ingress;
  place.egressIfindex = egress;
  seen.submit(place);
}

function shape(ctx: XdpContext, program: u32): XdpAction {
  const rule = rules.get(program);
  if (!rule) return XdpAction.Pass;
  const ethernet = ctx.at<Ethernet>(0);
  if (!ethernet) return XdpAction.Pass;
  const type: u32 = ethernet.type;
  if (type != <u32>EtherType.Ipv4) {
    if (type != <u32>WRAPPED) return XdpAction.Pass;
  }
  tell(program, <u32>ctx.bufferLength, type, 0, ctx.ingressIfindex, 0);
  if (rule.station != 0) store<u8>(changetype<usize>(ethernet), <u8>rule.station, 5);
  if (rule.via != 0) {
    // The sender left the checksum to its device, which redirected frames do not see again.
    const udp = ctx.at<Udp>(34);
    if (!udp) return XdpAction.Aborted;
    store<u16>(changetype<usize>(udp), 0, 6);
  }
  if (rule.head != 0) {
    if (ctx.adjustHead(rule.head) != 0) return XdpAction.Aborted;
    if (rule.head < 0) {
      const front = ctx.at<Ethernet>(0);
      if (!front) return XdpAction.Aborted;
      front.dst = 0x020000000001;
      front.type = WRAPPED;
    }
  }
  if (rule.tail != 0) {
    if (ctx.adjustTail(rule.tail) != 0) return XdpAction.Aborted;
  }
  if (rule.meta != 0) {
    if (ctx.adjustMeta(-4) != 0) return XdpAction.Aborted;
    const mark = ctx.metaAt<Mark>(0);
    if (!mark) return XdpAction.Aborted;
    mark.value = rule.meta;
  }
  const flags: u64 = rule.flags;
  if (rule.via == Via.Redirect) return redirect(rule.index, flags);
  if (rule.via == Via.DevMap) return devices.redirect(rule.index, 0);
  if (rule.via == Via.DevMapHash) return numbered.redirect(rule.index, 0);
  if (rule.via == Via.CpuMap) return cpus.redirect(rule.index, 0);
  return rule.verdict;
}
export const driver = xdp((ctx: XdpContext) => shape(ctx, 0));
export const otherEnd = xdp((ctx: XdpContext) => shape(ctx, 1));

/** What the programs of maps' entries do. */
function judge(ctx: XdpContext, program: u32, egress: u32): XdpAction {
  const mark = ctx.metaAt<Mark>(0);
  tell(program, <u32>ctx.bufferLength, 0, mark ? mark.value : 0, ctx.ingressIfindex, egress);
  const rule = rules.get(program);
  return rule ? rule.verdict : XdpAction.Pass;
}
export const leaving = xdpDevmap((ctx: XdpContext) => judge(ctx, 2, ctx.egressIfindex));
export const moved = xdpCpumap((ctx: XdpContext) => judge(ctx, 3, 0));

function watch(skb: SkBuff, program: u32): i32 {
  const protocol: u32 = skb.protocol;
  if (protocol != <u32>EtherType.Ipv4) {
    if (protocol != <u32>WRAPPED) return -1;
  }
  const mark = skb.metaAt<Mark>(0);
  tell(program, skb.length, protocol, mark ? mark.value : 0, skb.ingressIfindex, 0);
  return -1;
}
export const into = tcxIngress((skb) => watch(skb, 4));
export const outOf = tcxEgress((skb) => watch(skb, 5));

/** Puts another Ethernet header in front of IPv4 frames. */
export const wrap = tcxEgress((skb) => {
  if (skb.protocol != EtherType.Ipv4) return -1;
  if (skb.changeHead(14) != 0) return -1;
  const front = skb.at<Ethernet>(0);
  if (!front) return -1;
  front.dst = 0x020000000004;
  front.type = WRAPPED;
  return -1;
});
