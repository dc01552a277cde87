import { generateKeyPair, type KeyObject, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

/**
 * What an identity may do on a DICOM store: `roles/healthcare.dicomViewer`,
 * `roles/healthcare.dicomEditor`, nothing.
 */
export type Role = 'viewer' | 'editor' | 'none'

/**
 * What each role holds on a DICOM store, as far as this project asks (Google's "Access control with
 * IAM").
 */
export const permissionsOf: Readonly<Record<Role, readonly string[]>> = {
  none: [],
  viewer: ['healthcare.dicomStores.get', 'healthcare.dicomStores.dicomWebRead'],
  editor: [
    'healthcare.dicomStores.get',
    'healthcare.dicomStores.dicomWebRead',
    'healthcare.dicomStores.dicomWebWrite',
    'healthcare.dicomStores.dicomWebDelete',
  ],
}

export interface KeyPair {
  readonly id: string
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

export interface ServiceAccount {
  readonly email: string
  readonly clientId: string
  readonly key: KeyPair
}

export interface AuthorizedUser {
  readonly email: string
  readonly clientId: string
  readonly clientSecret: string
  readonly refreshToken: string
}

/** An identity provider outside Google, and the workload identity pool that trusts it. */
export interface WorkloadIdentity {
  readonly issuer: string
  readonly subject: string
  /**
   * Full name of the pool's provider: the `audience` of the STS request and, by default, of the
   * subject token.
   */
  readonly audience: string
  /** Who the exchanged token speaks for. */
  readonly principal: string
  readonly key: KeyPair
}

/** A person of an identity provider outside Google, who has signed in through a workforce pool. */
export interface WorkforceUser {
  readonly audience: string
  /** Who its tokens speak for. */
  readonly principal: string
  readonly clientId: string
  readonly clientSecret: string
  readonly refreshToken: string
}

export function newWorkforceUser(): WorkforceUser {
  const pool = 'iam.googleapis.com/locations/global/workforcePools/emulator'
  const principal = `principal://${pool}/subject/radiographer`
  const { clientId, clientSecret, refreshToken } = newAuthorizedUser(principal)
  return { audience: `//${pool}/providers/oidc`, principal, clientId, clientSecret, refreshToken }
}

const generate = promisify(generateKeyPair)

/** Who exists, and what each may do. Keys are made here and live as long as the emulator. */
export class Identities {
  readonly #serviceAccounts = new Map<string, ServiceAccount>()
  readonly #grants = new Map<string, Role>()
  readonly #notCreators = new Set<string>()

  async addServiceAccount(email: string): Promise<ServiceAccount> {
    // One that takes an account's place makes its old key invalid: it must have another.
    const key = await (this.#serviceAccounts.has(email) ? newKey() : keptKey(email))
    const account = { email, clientId: digits(21), key }
    this.#serviceAccounts.set(email, account)
    return account
  }

  serviceAccount(email: string): ServiceAccount | undefined {
    return this.#serviceAccounts.get(email)
  }

  /** Every identity is editor on every store until a grant says otherwise. */
  grant(identity: string, store: string, role: Role): void {
    this.#grants.set(`${identity} ${store}`, role)
  }

  role(identity: string, store: string): Role {
    return this.#grants.get(`${identity} ${store}`) ?? 'editor'
  }

  /**
   * Takes `roles/iam.serviceAccountTokenCreator` on a service account away; everybody holds it at
   * first.
   */
  denyImpersonation(identity: string, email: string): void {
    this.#notCreators.add(`${identity} ${email}`)
  }

  mayImpersonate(identity: string, email: string): boolean {
    return this.#serviceAccounts.has(email) && !this.#notCreators.has(`${identity} ${email}`)
  }
}

export function newAuthorizedUser(email: string): AuthorizedUser {
  return {
    email,
    clientId: `${digits(12)}-${randomBytes(16).toString('hex')}.apps.googleusercontent.com`,
    clientSecret: randomBytes(18).toString('base64url'),
    refreshToken: `1//${randomBytes(48).toString('base64url')}`,
  }
}

export async function newWorkloadIdentity(issuer: string): Promise<WorkloadIdentity> {
  const pool = 'iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/emulator'
  const subject = 'system:serviceaccount:imaging:proxy'
  return {
    issuer,
    subject,
    audience: `//${pool}/providers/oidc`,
    principal: `principal://${pool}/subject/${subject}`,
    key: await keptKey('workload identity'),
  }
}

/**
 * By whose they are. To make one takes a twentieth of a second, and tests start hundreds of
 * emulators in a process.
 */
const kept = new Map<string, Promise<KeyPair>>()

/** The same that it had in an earlier emulator of this process. */
function keptKey(owner: string): Promise<KeyPair> {
  const key = kept.get(owner) ?? newKey()
  kept.set(owner, key)
  return key
}

async function newKey(): Promise<KeyPair> {
  return { id: randomBytes(20).toString('hex'), ...(await generate('rsa', { modulusLength: 2048 })) }
}

function digits(count: number): string {
  return Array.from(randomBytes(count), (byte) => byte % 10).join('')
}
