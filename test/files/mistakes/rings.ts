// Events: records that are reserved, filled, and submitted or discarded.
import {
  CgroupAction, Ethernet, EtherType, RingBuffer, TcxAction, Verdict, XdpAction, bind4, cgroupSkbEgress, connect4, currentPidTgid,
  monotonicTime, random, sendmsg4, sockCreate, tcxEgress, xdp,
} from "ebpf-ts/std";

@unmanaged @final
class Seen {
  time: u64;
  type: u32;
  length: u32;
}

@unmanaged @final
class Call {
  time: u64;
  process: u64;
  address: u32;
  port: u32;
}

export const frames = new RingBuffer<Seen>(4096);
export const calls = new RingBuffer<Call>(8192);

export const watch = xdp((ctx) => {
  const eth = ctx.at<Ethernet>(0);
  if (!eth) return XdpAction.Pass;
  const frame = frames.reserve();
  if (!frame) return XdpAction.Pass;
  frame.time = monotonicTime();
  frame.type = eth.type;
  if (eth.type == EtherType.Arp) {
    frames.discard(frame);
    return XdpAction.Pass;
  }
  frames.submit(frame);
  return XdpAction.Pass;
});

export const leave = tcxEgress((skb) => {
  const frame = frames.reserve();
  if (frame) {
    frame.length = skb.length;
    frames.submit(frame);
  }
  return TcxAction.Pass;
});

export const connect = connect4((ctx) => {
  const call = calls.reserve();
  if (!call) return Verdict.Allow;
  call.time = monotonicTime();
  call.process = currentPidTgid();
  call.address = ctx.ip4;
  calls.submit(call);
  return Verdict.Allow;
});

export const send = sendmsg4((ctx) => {
  const message = calls.reserve();
  if (!message) return Verdict.Allow;
  message.address = ctx.ip4;
  if (message.address == 0) calls.discard(message);
  else calls.submit(message);
  return Verdict.Allow;
});

export const bind = bind4((ctx) => {
  const call = calls.reserve();
  if (call) {
    call.port = 1;
    calls.submit(call);
  }
  return 1;
});

export const create = sockCreate((ctx) => {
  const made = calls.reserve();
  if (!made) return Verdict.Deny;
  made.process = currentPidTgid();
  calls.submit(made);
  return Verdict.Allow;
});

export const sampled = cgroupSkbEgress((skb) => {
  if (random() % 100 != 0) return CgroupAction.Pass;
  const sample = frames.reserve();
  if (!sample) return CgroupAction.Pass;
  sample.length = skb.length;
  sample.type = 5;
  frames.submit(sample);
  return CgroupAction.Pass;
});
