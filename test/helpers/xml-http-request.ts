/**
 * What dicomweb-client uses of a browser's XMLHttpRequest, made of fetch. Not a package:
 * xmlhttprequest-ssl 4 can't send an ArrayBuffer, xhr2 was made for Node 6 and has no types, and
 * jsdom or happy-dom bring a whole browser.
 */
export class XmlHttpRequest {
  readyState = 0
  status = 0
  response: unknown = null
  responseType: '' | 'arraybuffer' | 'json' = ''
  withCredentials = false
  onreadystatechange?: () => void
  onloadstart?: () => void
  onloadend?: () => void

  readonly #headers = new Headers()
  #method = ''
  #url = ''
  #received = new Headers()

  open(method: string, url: string): void {
    this.#method = method
    this.#url = url
  }

  setRequestHeader(name: string, value: string): void {
    this.#headers.append(name, value)
  }

  getResponseHeader(name: string): string | null {
    return this.#received.get(name)
  }

  getAllResponseHeaders(): string {
    return [...this.#received].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  }

  /** As in a browser, a failure leaves the status at 0. */
  send(body?: ArrayBuffer): void {
    this.onloadstart?.()
    this.#exchange(body ?? null)
      .catch(() => {
        this.status = 0
      })
      .then(() => {
        this.readyState = 4
        this.onreadystatechange?.()
        this.onloadend?.()
      })
  }

  async #exchange(body: ArrayBuffer | null): Promise<void> {
    const response = await fetch(this.#url, { method: this.#method, headers: this.#headers, body })
    this.#received = response.headers
    this.response = await this.#read(response)
    this.status = response.status
  }

  async #read(response: Response): Promise<unknown> {
    if (this.responseType === 'arraybuffer') return response.arrayBuffer()
    if (this.responseType === 'json') return response.json().catch(() => null)
    return response.text()
  }
}
