// Placeholder until the shim lands: builds nothing.
