import { TcAction, Verdict, connect4, noInline, redirect, tc } from "ebpf-ts/std";

function away(): i32 {
  noInline();
  return redirect(1, 0);
}

export const fine = tc((skb) => <TcAction>away());
export const call = connect4((ctx) => (away() == 7 ? Verdict.Deny : Verdict.Allow));
