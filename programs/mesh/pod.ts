// The authority over a pod's traffic: tcx on the host side of its veth. Egress of that device is what goes to the pod.
import { TcxAction, tcxEgress, tcxIngress } from "ebpf-ts/std";
import { endpoints } from "./tables";

export const to_pod = tcxEgress((skb) => {
  return endpoints.get(skb.ifindex) ? TcxAction.Pass : TcxAction.Drop;
});

export const from_pod = tcxIngress((skb) => {
  return endpoints.get(skb.ifindex) ? TcxAction.Pass : TcxAction.Drop;
});
