import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** The answer that this connection is busy with; Node's own handler looks at the same place. */
export function currentResponse(socket: Socket): ServerResponse | null {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? null
}
