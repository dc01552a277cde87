import { type AccountSettings, dicomWebServices, type Settings } from '../../config/settings.ts'
import type { AccessToken } from '../../credentials/access-token.ts'
import { createFetchToken } from '../../credentials/fetch-token.ts'
import type { Connections } from '../../forward/connections.ts'
import { invocation } from '../../invocation.ts'
import { describeError } from '../../observe/serialize-error.ts'
import { fetchTokenFor } from '../check/token.ts'
import { CommandFailure, exitCode } from '../exit-code.ts'
import { StoreClient } from './store-client.ts'

/** The account that is named. */
export function accountNamed({ accounts }: Settings, name: string): AccountSettings {
  const account = accounts.find((each) => each.name === name)
  if (account) return account
  const names = accounts.map((each) => each.name).join(', ')
  throw new CommandFailure(`There is no account ${name}. Use one of: ${names}.`, exitCode.usage)
}

/** The same; it must have every service, because every service is tried. */
export function accountOf(settings: Settings, name: string): AccountSettings {
  const account = accountNamed(settings, name)
  const lacking = dicomWebServices.filter((service) => !account.access.includes(service))
  if (lacking.length === 0) return account
  throw new CommandFailure(
    `The account ${name} lacks ${lacking.join(', ')} in its Access. Use an account of a test store that has every service.`,
    exitCode.usage,
  )
}

/** Fetches a token as the proxy does. */
export async function clientOf(
  settings: Settings,
  account: AccountSettings,
  connections: Connections,
  maxRequests?: number,
): Promise<StoreClient> {
  const { fetch, fetchDirect } = connections
  const fetchToken = createFetchToken(account.credential, { ...settings.tokens, fetch, fetchDirect })
  const token = await firstToken(settings, account, connections)
  return new StoreClient({ settings, account, connections, token, fetchToken, ...(maxRequests && { maxRequests }) })
}

async function firstToken(
  settings: Settings,
  account: AccountSettings,
  connections: Connections,
): Promise<AccessToken> {
  try {
    return await fetchTokenFor(account, { settings, connections, known: null, clockIsRight: true })
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : describeError(cause)
    throw new CommandFailure(
      `There is no access token: ${words}\nRun "${invocation} check" to see more.`,
      exitCode.failure,
      { cause },
    )
  }
}
