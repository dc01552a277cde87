import type { Diagnosis } from '../errors.ts'
import { networkFailureOf } from '../network-failure.ts'
import { BrokenResponse } from '../small-response.ts'
import { type AccessToken, checkedToken, notAToken, TokenFailure } from './access-token.ts'
import type { IssuerAccess } from './transport.ts'

/**
 * The address, not the name: it needs no name server, and exists nowhere but inside Google Cloud.
 */
const googleAddress = '169.254.169.254'
const tokenPath = '/computeMetadata/v1/instance/service-accounts/default/token'
/**
 * Google's metadata server sits on the same host: one that is silent this long (ms) is not there.
 */
const maxResponseMs = 5_000

const noFile =
  'There are no Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no file'
const provideFile =
  'Run gcloud auth application-default login, or name a key file in ServiceAccountFile or GOOGLE_APPLICATION_CREDENTIALS'

function absent(host: string | null): Diagnosis {
  if (host === null) {
    return {
      code: 'no-credential',
      problem: `${noFile}, and no metadata server responds, so this is not a Google Cloud machine.`,
      remedy: `${provideFile}; on a Google Cloud machine, attach a service account to it.`,
    }
  }
  return {
    code: 'no-credential',
    problem: `${noFile}, and no metadata server responds at ${host}, which GCE_METADATA_HOST or GCE_METADATA_IP names.`,
    remedy: `Correct or remove that variable. ${provideFile}, if there is no metadata server.`,
  }
}

/** By a variable of Google's libraries. */
export const metadataServerTurnedOff: Diagnosis = {
  code: 'no-credential',
  problem: `${noFile}, and METADATA_SERVER_DETECTION=none turns the metadata server off.`,
  remedy: `${provideFile}; on a Google Cloud machine, remove METADATA_SERVER_DETECTION.`,
}

const withoutServiceAccount: Diagnosis = {
  code: 'no-credential',
  problem: 'This Google Cloud machine has no service account.',
  remedy: 'Attach one, or name a key file in ServiceAccountFile.',
}

/**
 * The token of the service account that this machine (or its Kubernetes service account) has in
 * Google Cloud (https://cloud.google.com/compute/docs/metadata/querying-metadata).
 *
 * Not the library's `Compute`: that one would go through the outgoing proxy of the environment, and
 * can't be stopped.
 */
export async function fetchMetadataToken(
  host: string | null,
  { fetchDirect, timeout }: IssuerAccess,
  scope: string,
): Promise<AccessToken> {
  const url = `http://${host ?? googleAddress}${tokenPath}?scopes=${encodeURIComponent(scope)}`
  const headers = { 'Metadata-Flavor': 'Google' }
  const signal = AbortSignal.timeout(Math.min(timeout, maxResponseMs))
  let response: Response
  try {
    response = await fetchDirect(url, { headers, signal, redirect: 'manual' })
  } catch (cause) {
    if (cause instanceof BrokenResponse) throw new TokenFailure(notAToken('metadata server'), { cause })
    const { kind, problem, remedy } = networkFailureOf(cause)
    const unusable = {
      code: 'issuer-wrong',
      problem: `The metadata server's response cannot be used: ${problem}.`,
      remedy,
    }
    throw new TokenFailure(kind === 'invalid' ? unusable : absent(host), { cause })
  }
  if (response.headers.get('metadata-flavor') !== 'Google') throw new TokenFailure(absent(host))
  return tokenFrom(response)
}

async function tokenFrom(response: Response): Promise<AccessToken> {
  const { status } = response
  if (status === 404) throw new TokenFailure(withoutServiceAccount)
  if (!response.ok) {
    const redirects = status >= 300 && status < 400 ? ', a redirect, which the proxy does not follow' : ''
    const problem = `The metadata server returned ${status}${redirects} instead of a token.`
    throw new TokenFailure({ code: 'no-credential', problem, remedy: checkMetadataServer })
  }
  const body = (await response.json().catch(() => null)) as { access_token?: unknown; expires_in?: unknown } | null
  return checkedToken('metadata server', body?.access_token, Date.now() + Number(body?.expires_in) * 1000)
}

const checkMetadataServer =
  'Check the service account of this machine, and GCE_METADATA_HOST or GCE_METADATA_IP if one is set.'
