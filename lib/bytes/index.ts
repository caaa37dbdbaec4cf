export { Reader, Writer } from "./cursor.ts";
