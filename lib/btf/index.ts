export type { Btf, BtfType, Enumerator, Member, Param, SectionVariable, TypeId } from "./types.ts";
