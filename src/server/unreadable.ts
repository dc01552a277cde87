import type { IncomingMessage } from 'node:http'
import type { ProxyError } from '../errors.ts'

/** Requests that became unreadable while they came, and what their clients were told; to those that carry them, they look cut. */
export const unreadableRequests = new WeakMap<IncomingMessage, ProxyError>()
