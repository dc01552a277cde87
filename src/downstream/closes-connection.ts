import type { IncomingMessage } from 'node:http'

type Message = Pick<IncomingMessage, 'headers' | 'httpVersion'>

/** Whether nothing that follows a request on its connection may be taken for another one. */
export function closesConnection(request: Message): boolean {
  return asksToClose(request) || endsInDoubt(request)
}

/** RFC 9112 9.3. */
function asksToClose({ headers, httpVersion }: Message): boolean {
  const options = headers.connection ?? ''
  return /\bclose\b/i.test(options) || (httpVersion === '1.0' && !/\bkeep-alive\b/i.test(options))
}

/** Others may see the end of such a request elsewhere (RFC 9112 6.1, 11.2); after an Upgrade, Node drops what came in the same packet. */
function endsInDoubt({ headers, httpVersion }: Message): boolean {
  const coding = headers['transfer-encoding']
  const isPlain = coding === undefined || (coding.toLowerCase() === 'chunked' && httpVersion === '1.1')
  return !isPlain || headers.upgrade !== undefined
}
