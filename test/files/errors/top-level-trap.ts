import { Cell, HashMap, XdpAction, xdp } from "ebpf-ts/std";

const sizes = new StaticArray<u32>(2);
export const hits = new HashMap<u32, Cell<u64>>(sizes[2]);

export const filter = xdp((ctx) => XdpAction.Pass);
