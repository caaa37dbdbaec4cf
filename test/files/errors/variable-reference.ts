import { XdpAction, xdp } from "ebpf-ts/std";

let table = new StaticArray<u32>(4);

export const filter = xdp((ctx) => (table[1] == 0 ? XdpAction.Drop : XdpAction.Pass));
