// All of the mesh's kernel-side programs, as one object: they share the maps of tables.ts.
export * from "./tables";
export * from "./pod";
export * from "./services";
export * from "./translate";
export * from "./connect";
export * from "./steer";
export * from "./prefilter";
export * from "./shortcut";
