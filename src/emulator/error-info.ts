/**
 * Reasons of google.rpc.ErrorInfo (google/api/error_reason.proto) with which Google refuses a
 * request.
 */
export const errorReasons = [
  'SERVICE_DISABLED',
  'ACCESS_TOKEN_SCOPE_INSUFFICIENT',
  'USER_PROJECT_DENIED',
  'BILLING_DISABLED',
  'SECURITY_POLICY_VIOLATED',
  'IAM_PERMISSION_DENIED',
] as const
export type ErrorReason = (typeof errorReasons)[number]

/** What one of `details` in an error says: why, in the words of which API, about what. */
export interface ErrorInfo {
  readonly reason: ErrorReason
  readonly domain?: string
  readonly metadata: Readonly<Record<string, string>>
}

export const healthcare = 'healthcare.googleapis.com'
export const iamCredentials = 'iamcredentials.googleapis.com'

interface Refusal {
  readonly message: string
  readonly info: ErrorInfo
}

/**
 * How Google refuses a request to an API for a reason; `project` is the one that the request counts
 * on.
 */
export function refusalFor(reason: ErrorReason, service: string, project: string): Refusal {
  const consumer = `projects/${project}`
  const byService = { reason, metadata: { service } }
  const byConsumer = { reason, metadata: { service, consumer } }
  switch (reason) {
    case 'SERVICE_DISABLED':
      return { message: `The API ${service} is disabled in project ${project}, or was never used.`, info: byConsumer }
    case 'ACCESS_TOKEN_SCOPE_INSUFFICIENT':
      return { message: 'Request had insufficient authentication scopes.', info: byService }
    case 'USER_PROJECT_DENIED':
      return {
        message: `Caller does not have required permission to use project ${project}.`,
        info: byConsumer,
      }
    case 'BILLING_DISABLED':
      return { message: `This API requires that billing is enabled in project ${project}.`, info: byConsumer }
    case 'SECURITY_POLICY_VIOLATED':
      return {
        message:
          'Request is prohibited by a security policy of the organization. vpcServiceControlsUniqueIdentifier: 0',
        info: { reason, metadata: { service, uid: '0' } },
      }
    case 'IAM_PERMISSION_DENIED':
      return service === iamCredentials
        ? permissionDenied.impersonation
        : { message: 'Permission denied.', info: byService }
  }
}

/** A permission that the caller lacks, named. */
export const permissionDenied = {
  impersonation: {
    message: "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).",
    info: {
      reason: 'IAM_PERMISSION_DENIED',
      domain: 'iam.googleapis.com',
      metadata: { permission: 'iam.serviceAccounts.getAccessToken' },
    },
  },
  on: (resource: string, permission: string): Refusal => ({
    message: `Permission ${permission} denied on resource ${resource} (or it may not exist).`,
    info: { reason: 'IAM_PERMISSION_DENIED', domain: healthcare, metadata: { resource, permission } },
  }),
} as const satisfies Record<string, Refusal | ((resource: string, permission: string) => Refusal)>
