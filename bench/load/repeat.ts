/**
 * How often something is done, and by how many at the same time, each doing the next when it has
 * done the last.
 */
export interface Repetition {
  readonly times: number
  readonly atOnce: number
}

export async function repeat({ times, atOnce }: Repetition, action: (number: number) => Promise<void>): Promise<void> {
  let number = 0
  const one = async () => {
    while (number < times) await action(number++)
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, times) }, one))
}
