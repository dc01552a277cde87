import { createHash } from 'node:crypto'

/**
 * A UID under 2.25, the root for UUIDs (PS3.5, B.2), from a name: here a version 8 UUID (RFC 9562)
 * of its SHA-256.
 */
export function syntheticUid(name: string): string {
  const uuid = createHash('sha256').update(`gcp-dicomweb-proxy/${name}`).digest().subarray(0, 16)
  uuid.writeUInt8((uuid.readUInt8(6) & 0x0f) | 0x80, 6)
  uuid.writeUInt8((uuid.readUInt8(8) & 0x3f) | 0x80, 8)
  return `2.25.${BigInt(`0x${uuid.toString('hex')}`)}`
}
