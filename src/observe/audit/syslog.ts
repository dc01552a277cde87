import { once } from 'node:events'
import { isIP } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { type AuditSource, auditMessages } from './audit-message.ts'
import type { AuditRecord } from './audit-record.ts'
import { type AuditSink, lowPriorityShare, type SinkReports } from './audit-sink.ts'
import { BoundedQueue } from './bounded-queue.ts'

/** An audit record repository that listens for syslog over TLS (RFC 5425), and the credentials. */
export interface SyslogTarget {
  readonly host: string
  readonly port: number
  /** PEM; null: Node's default CAs. */
  readonly certificateAuthorities: readonly string[] | null
  /** The proxy's certificate and key, PEM, for repositories that require a client certificate. */
  readonly identity: { readonly cert: string; readonly key: string } | null
}

/** Begins a TLS connection to it. */
export function connectTo({ host, port, certificateAuthorities, identity }: SyslogTarget): TLSSocket {
  return connect({
    host,
    port,
    minVersion: 'TLSv1.2',
    // The default would respect NODE_TLS_REJECT_UNAUTHORIZED.
    rejectUnauthorized: true,
    // SNI; IP addresses are not allowed there (RFC 6066 3).
    ...(isIP(host) === 0 && { servername: host }),
    ...(certificateAuthorities && { ca: [...certificateAuthorities] }),
    ...identity,
  })
}

/** Messages queued while the repository can't be reached. */
const maxQueuedBytes = 16 * 1024 * 1024
const minReconnectDelayMs = 1_000
const maxReconnectDelayMs = 30_000
/**
 * A syslog receiver sends nothing (RFC 5425). A peer that sends more than this is something else.
 */
const maxReceivedBytes = 64 * 1024
/** Time for sending the last messages at shutdown. */
const drainTimeoutMs = 2_000

interface Times {
  readonly connectTimeoutMs: number
  /** How long the operating system may fail to accept a message. */
  readonly writeTimeoutMs: number
  /** After a failure, a new connection counts as stable after this time. */
  readonly stableAfterMs: number
}

const defaultTimes: Times = { connectTimeoutMs: 15_000, writeTimeoutMs: 10_000, stableAfterMs: 5_000 }

/**
 * Sends audit messages (DICOM PS3.15 A.5) to a repository: syslog (RFC 5424) over TLS (RFC 5425,
 * PS3.15 A.6). Syslog has no acknowledgements: messages in transit when a connection breaks may be
 * lost.
 */
export class SyslogSink implements AuditSink {
  readonly #target: SyslogTarget
  readonly #source: AuditSource
  readonly #reports: SinkReports
  readonly #times: Times
  readonly #header: string
  readonly #queue = new BoundedQueue(maxQueuedBytes)
  #socket: TLSSocket | null = null
  #sending = false
  /** True from the end of a connection until the next one is stable and the queue is empty. */
  #failing = false
  #isStable = false
  #reconnectDelayMs = minReconnectDelayMs
  #reconnectTimer: NodeJS.Timeout | null = null
  #closed = false

  constructor(target: SyslogTarget, source: AuditSource, reports: SinkReports, times: Partial<Times> = {}) {
    this.#target = target
    this.#source = source
    this.#reports = reports
    this.#times = { ...defaultTimes, ...times }
    this.#header = headerOf(source)
    this.#connect()
  }

  /** An open connection is not enough: the peer might not read. */
  get available(): boolean {
    return this.#socket !== null && !this.#failing && this.#queue.isBelowHalf
  }

  write(record: AuditRecord, isLowPriority = false): void {
    const share = isLowPriority ? lowPriorityShare : 1
    for (const message of auditMessages(record, this.#source)) {
      if (this.#closed || !this.#queue.add(this.#frame(record.time, message), share)) this.#reports.lost(1)
    }
    this.#send()
  }

  async close(): Promise<void> {
    this.#closed = true
    if (this.#reconnectTimer) clearTimeout(this.#reconnectTimer)
    const socket = this.#socket
    if (socket && this.#queue.size > 0) {
      const signal = AbortSignal.timeout(drainTimeoutMs)
      await once(socket, 'sent', { signal: signal }).catch(() => {})
    }
    if (this.#queue.size > 0) this.#reports.lost(this.#queue.size)
    this.#reports.closed()
    socket?.end()
    socket?.destroySoon()
  }

  #connect(): void {
    const socket = connectTo(this.#target)
    // A limit for the whole handshake. An idle timeout would never fire if it arrived byte by byte.
    const connecting = setTimeout(
      () => socket.destroy(new Error('No TLS connection in time')),
      this.#times.connectTimeoutMs,
    )
    connecting.unref()
    socket.once('close', () => clearTimeout(connecting))
    socket.once('secureConnect', () => {
      clearTimeout(connecting)
      this.#connected(socket)
    })
    let cause = new Error('The repository closed the connection')
    socket.on('error', (error) => {
      cause = error
    })
    socket.once('close', () => this.#disconnected(cause))
    // No data is expected, but only a read notices the end of the connection.
    let received = 0
    socket.on('data', ({ length }: Buffer) => {
      received += length
      if (received > maxReceivedBytes) socket.destroy(new Error('The repository sends data, which syslog never does'))
    })
    socket.unref()
  }

  #connected(socket: TLSSocket): void {
    socket.setKeepAlive(true, 60_000)
    this.#socket = socket
    const stableTimer = setTimeout(() => this.#stable(), this.#times.stableAfterMs).unref()
    socket.once('close', () => clearTimeout(stableTimer))
    this.#send()
  }

  #stable(): void {
    this.#isStable = true
    this.#reconnectDelayMs = minReconnectDelayMs
    this.#recover()
  }

  #recover(): void {
    if (!this.#failing || !this.#isStable || this.#queue.size > 0) return
    this.#failing = false
    this.#reports.recovered()
  }

  #disconnected(cause: Error): void {
    this.#socket = null
    this.#sending = false
    this.#isStable = false
    if (this.#closed) return
    if (!this.#failing) this.#reports.failing(cause)
    this.#failing = true
    this.#reconnectTimer = setTimeout(() => this.#connect(), this.#reconnectDelayMs).unref()
    this.#reconnectDelayMs = Math.min(this.#reconnectDelayMs * 2, maxReconnectDelayMs)
  }

  /** Sends one message at a time. Each stays queued until the operating system accepts it. */
  #send(): void {
    const socket = this.#socket
    const message = this.#queue.first
    if (!socket || this.#sending || !message) return
    this.#sending = true
    const { writeTimeoutMs } = this.#times
    const timeout = new Error(`The repository takes no messages: one has waited for ${writeTimeoutMs / 1000} s`)
    const timer = setTimeout(() => socket.destroy(timeout), writeTimeoutMs).unref()
    socket.write(message, (error) => {
      clearTimeout(timer)
      if (error || socket !== this.#socket) return
      this.#sending = false
      this.#queue.done()
      if (this.#queue.size === 0) socket.emit('sent')
      this.#recover()
      this.#send()
    })
  }

  /** Octet counting (RFC 5425 4.3). UTF-8 is announced by a byte order mark (RFC 5424 6.4). */
  #frame(time: string, message: string): Buffer {
    const text = Buffer.from(`<${priority}>1 ${time} ${this.#header} \uFEFF${message}`)
    return Buffer.concat([Buffer.from(`${text.length} `), text])
  }
}

/** Facility 10, security and authorization; severity 5, normal but significant (PS3.15 A.6). */
const priority = 10 * 8 + 5

/** Host, application, process, message kind (PS3.15 A.6), and no structured data. */
function headerOf({ hostName, processId }: AuditSource): string {
  const printable = hostName.replaceAll(/[^!-~]/g, '').slice(0, 255) || '-'
  return `${printable} gcp-dicomweb-proxy ${processId} DICOM+RFC3881 -`
}
