import { networkFailureOf } from '../network-failure.ts'
import { BrokenResponse } from '../small-response.ts'
import { type AccessToken, checkedToken, notAToken, TokenFailure } from './access-token.ts'
import type { IssuerAccess } from './transport.ts'

/** The address, not the name: it needs no name server, and exists nowhere but inside Google Cloud. */
const googleAddress = '169.254.169.254'
const tokenPath = '/computeMetadata/v1/instance/service-accounts/default/token'
/** Google's metadata server sits on the same host: one that is silent this long (ms) is not there. */
const patience = 5_000

const absent =
  'There are no Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS is not set, gcloud has left no file, ' +
  'and no metadata server answers, so this is not a Google Cloud machine. ' +
  'Set one of them up, or name a key in ServiceAccountFile.'

/**
 * The token of the service account that this machine (or its Kubernetes service account) has in Google Cloud
 * (https://cloud.google.com/compute/docs/metadata/querying-metadata).
 *
 * Not the library's `Compute`: that one would go through the outgoing proxy of the environment, and can't be stopped.
 */
export async function fetchMetadataToken(
  host: string | null,
  { fetchDirect, timeout }: IssuerAccess,
  scope: string,
): Promise<AccessToken> {
  const url = `http://${host ?? googleAddress}${tokenPath}?scopes=${encodeURIComponent(scope)}`
  const headers = { 'Metadata-Flavor': 'Google' }
  const signal = AbortSignal.timeout(Math.min(timeout, patience))
  let answer: Response
  try {
    answer = await fetchDirect(url, { headers, signal, redirect: 'manual' })
  } catch (cause) {
    if (cause instanceof BrokenResponse) throw new TokenFailure(notAToken('metadata server'), { cause })
    const { kind, reason } = networkFailureOf(cause)
    const unusable = `The metadata server's response cannot be used: ${reason}.`
    throw new TokenFailure(kind === 'invalid' ? unusable : absent, { cause })
  }
  if (answer.headers.get('metadata-flavor') !== 'Google') throw new TokenFailure(absent)
  return tokenFrom(answer)
}

async function tokenFrom(answer: Response): Promise<AccessToken> {
  if (answer.status === 404) {
    throw new TokenFailure(
      'This Google Cloud machine has no service account: attach one, or name a key in ServiceAccountFile.',
    )
  }
  const redirects = answer.status >= 300 && answer.status < 400 ? ', a redirect, which is not followed' : ''
  if (!answer.ok)
    throw new TokenFailure(`The metadata server answered ${answer.status}${redirects}, instead of a token.`)
  const body = (await answer.json().catch(() => null)) as { access_token?: unknown; expires_in?: unknown } | null
  return checkedToken('metadata server', body?.access_token, Date.now() + Number(body?.expires_in) * 1000)
}
