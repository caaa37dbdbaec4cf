/** Limits of the kernel that the toolchain must keep to. Source beside each. */
export const LIMITS = {
  /** MAX_BPF_STACK, include/linux/filter.h: bytes of one frame chain. */
  stackBytes: 512,
  /** MAX_CALL_FRAMES, include/linux/bpf_verifier.h. */
  callFrames: 8,
  /** BPF_COMPLEXITY_LIMIT_INSNS, include/linux/bpf.h: processed by the verifier. */
  processedInsns: 1_000_000,
  /** BPF_OBJ_NAME_LEN, include/uapi/linux/bpf.h: 15 characters and a zero byte. */
  objectName: 16,
  /** MAX_PACKET_OFF, kernel/bpf/verifier.c: largest provable offset from a packet pointer. */
  packetOffset: 0xffff,
} as const;
