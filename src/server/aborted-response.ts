import type { Explanation } from '../errors.ts'

/** Why a response ended before its end, by who ended it, and what to do. */
export const abortedResponse: Readonly<Record<'client' | 'upstream' | 'proxy', Explanation>> = {
  client: {
    problem:
      'The client closed the connection before the end of the response, or read it more slowly than DicomWebProxy.Timeouts allows (Idle, MinBodyRate).',
    remedy:
      "Unless a person cancelled, check the network between the client and this proxy, and raise the client's timeout (Timeout and HttpTimeout in Orthanc).",
  },
  upstream: {
    problem:
      "Google's response was cut short, so the proxy closed the client's connection: a truncated response must not look complete.",
    remedy: 'Send the request again. If it persists, check the firewall and the outgoing proxy.',
  },
  proxy: {
    problem: 'The proxy was told to shut down, and ShutdownGrace ended before the transfer.',
    remedy: 'Send the request again, and raise ShutdownGrace if transfers take longer.',
  },
}
