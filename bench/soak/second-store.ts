/** Name of the store for uploads that are small enough to be kept. */
export const secondStore = 'second'
