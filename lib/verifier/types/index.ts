/** Objects and structures that BTF describes, contexts, prototypes, and what programs attach to. */
export { FIELD_STRUCTS, fieldAt, hasField, isKptr, NO_FIELDS } from "./record.ts";
export type { Field, FieldKind, Record } from "./record.ts";
export { recordOf } from "./fields.ts";
export type { Owner } from "./fields.ts";
export { mapOf } from "./maps.ts";
export { accessContext } from "./context.ts";
export { argumentsOf } from "./arguments.ts";
export { returnRangeOf } from "./returns.ts";
export type { ReturnRange } from "./returns.ts";

export { accessObject, inRcuSection, isTrusted } from "./object.ts";
export { accessKptr, checkKptrValue, guardFields } from "./kptr.ts";
export { accessSocket } from "./socket.ts";
export { kernelType, sameOrEmbedded } from "./same.ts";
export { isGplCompatible } from "./license.ts";

export { checkAttachment } from "./attachment.ts";
export { variableAt } from "./kernel-variable.ts";
