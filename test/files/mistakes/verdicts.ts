// What hooks may return.
import {
  BindVerdict, Cell, CgroupAction, HashMap, SkAction, Verdict, bind4, bind6, cgroupSkbEgress, cgroupSkbIngress, connect4, connect6,
  getpeername4, getsockname4, getsockopt, postBind4, postBind6, recvmsg4, sendmsg4, sendmsg6, setsockopt, skLookup, sockCreate, sockRelease,
} from "ebpf-ts/std";

export const blocked = new HashMap<u32, Cell<u32>>(64);

export const onConnect = connect4((ctx) => {
  const reason = blocked.get(ctx.ip4);
  if (reason) return Verdict.Deny;
  return Verdict.Allow;
});
export const onConnect6 = connect6((ctx) => {
  if (ctx.port == 25) return Verdict.Deny;
  return Verdict.Allow;
});
export const onBind = bind4((ctx) => {
  if (ctx.port < 1024) return BindVerdict.Deny;
  return BindVerdict.Allow;
});
export const onBind6 = bind6((ctx) => {
  if (ctx.port == 8080) return BindVerdict.Deny;
  return BindVerdict.Allow;
});
export const onSend = sendmsg4((ctx) => {
  if (ctx.ip4 == 0x7f000001) return Verdict.Deny;
  return Verdict.Allow;
});
export const onSend6 = sendmsg6((ctx) => {
  if (ctx.port == 53) return Verdict.Deny;
  return Verdict.Allow;
});
export const onReceive = recvmsg4((ctx) => {
  const known = blocked.get(ctx.ip4);
  if (known) known.value += 1;
  return Verdict.Allow;
});
export const onPeer = getpeername4((ctx) => {
  ctx.port = 443;
  return Verdict.Allow;
});
export const onName = getsockname4((ctx) => {
  ctx.port = 80;
  return Verdict.Allow;
});
export const onCreate = sockCreate((ctx) => {
  if (ctx.protocol == 1) return Verdict.Deny;
  return Verdict.Allow;
});
export const onRelease = sockRelease((ctx) => {
  blocked.delete(ctx.protocol);
  return Verdict.Allow;
});
export const afterBind = postBind4((ctx) => {
  if (ctx.family == 9) return Verdict.Deny;
  return Verdict.Allow;
});
export const afterBind6 = postBind6((ctx) => {
  if (ctx.type == 9) return Verdict.Deny;
  return Verdict.Allow;
});
export const onPacket = cgroupSkbIngress((skb) => {
  if (skb.length > 1400) return CgroupAction.Drop;
  return CgroupAction.Pass;
});
export const onLookup = skLookup((ctx) => {
  if (ctx.localPort == 7) return SkAction.Drop;
  return SkAction.Pass;
});
export const onGet = getsockopt((ctx) => {
  if (ctx.level == 6) return Verdict.Deny;
  return Verdict.Allow;
});
export const onSet = setsockopt((ctx) => {
  if (ctx.name == 2) return Verdict.Deny;
  return Verdict.Allow;
});
