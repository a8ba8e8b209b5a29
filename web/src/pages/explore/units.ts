const MEMORY = new Set(["device_memory_peak", "memory_peak"]);

/** Whether a column of a view holds bytes of memory, which people are told in GiB. */
export const inGib = (column: string): boolean => MEMORY.has(column);
