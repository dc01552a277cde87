/**
 * Where a problem is. In this order, the first is the cause of what follows, and gives the exit
 * code.
 */
export const layers = ['configuration', 'network', 'clock', 'credential', 'store', 'orthanc'] as const
export type Layer = (typeof layers)[number]
