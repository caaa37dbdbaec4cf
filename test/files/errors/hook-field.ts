import { CgroupAction, SkAction, cgroupSkbEgress, skSkbVerdict, socketFilter } from "ebpf-ts/std";

@unmanaged @final
class Word { v: u32; }

export const out = cgroupSkbEgress((skb) => {
  skb.priority = 1;
  skb.tcClassid = 2;
  return CgroupAction.Pass;
});
export const stream = skSkbVerdict((skb) => {
  return skb.mark == 1 ? SkAction.Drop : SkAction.Pass;
});
export const filter = socketFilter((skb) => {
  return skb.at<Word>(0) ? skb.length : 0;
});
