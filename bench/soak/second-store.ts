/** Name of the store for uploads that are small enough to be buffered. */
export const secondStore = 'second'
