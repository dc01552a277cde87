import type { JsonObject } from './document.ts'
import type { Flaw } from './problem.ts'

/** Where the configuration names a credential file of a type. */
const keys: Readonly<Record<string, string>> = {
  service_account: 'ServiceAccountFile',
  authorized_user: 'AuthorizedUserFile',
  external_account: 'ExternalAccountFile',
  external_account_authorized_user: 'ExternalAccountFile',
  impersonated_service_account: 'ApplicationDefault with GOOGLE_APPLICATION_CREDENTIALS',
}

/** The type of a Google credential that was taken for a configuration; null if it is none. */
export function credentialTypeOf({ type, ...content }: JsonObject): string | null {
  if (typeof type === 'string' && Object.hasOwn(keys, type)) return type
  // `gcloud auth print-access-token --format json` prints no type.
  return type === undefined && 'refresh_token' in content ? 'authorized_user' : null
}

export function credentialAsConfiguration(type: string): Flaw {
  return {
    problem: `is a Google credential (${type}), not a configuration`,
    remedy: `name it as ${keys[type]} of an account in the configuration, and the configuration with --config`,
  }
}
