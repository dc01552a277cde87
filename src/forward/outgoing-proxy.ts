import type { OutgoingSettings } from '../config/settings.ts'

/**
 * The outgoing proxy that leads to a URL; null if there is none on the way. undici reads `NO_PROXY`
 * in the same way.
 */
export function outgoingProxyFor(url: URL, { httpsProxy, httpProxy, noProxy }: OutgoingSettings): URL | null {
  const proxy = url.protocol === 'https:' ? httpsProxy : httpProxy
  if (!httpsProxy || !proxy || passesBy(url, noProxy)) return null
  return URL.parse(proxy)
}

function passesBy({ hostname, protocol, port }: URL, noProxy: string): boolean {
  const host = hostname.replace(/^\[(.*)\]$/, '$1').replace(/(.)\.$/, '$1')
  const ownPort = port || (protocol === 'https:' ? '443' : '80')
  return noProxy.split(/[,\s]+/).some((entry) => {
    const [, name = '', ofPort] = /^\[?([^\]]*?)\]?(?::(\d+))?$/.exec(entry.toLowerCase()) ?? []
    if (name === '' || (ofPort && ofPort !== ownPort)) return false
    const domain = name.replace(/^\*?\./, '')
    return name === '*' || host.endsWith(`.${domain}`) || (host === domain && !name.startsWith('*'))
  })
}
