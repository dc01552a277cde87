import type { ConcurrencyLimiter } from '../concurrency/limiter.ts'
import type { AccountSettings, DicomWebService, SearchCompletionSettings } from '../config/settings.ts'
import type { TokenSource } from '../credentials/access-token.ts'
import type { CredentialDescription } from '../credentials/credential-description.ts'
import type { TokenState } from '../credentials/token-cache.ts'
import type { InboundRequest } from '../downstream/inbound.ts'
import type { UrlReplacement } from '../forward/url-rewriter.ts'
import type { GuardedAccount } from '../guard/guard.ts'
import type { OperationUrl } from '../stores/dicom-store.ts'
import type { StoreNames } from '../stores/google-refusal.ts'

/** An account ready for use: where its store is, what may be done there, and its tokens. */
export interface ServedAccount extends GuardedAccount, StoreNames {
  /** The store's resource name at Google, `projects/P/locations/L/datasets/D/dicomStores/S`. */
  readonly store: string
  readonly tokens: TokenSource
  /** The public facts about its credential. */
  readonly credential: { readonly description: CredentialDescription }
  /** Each service has its own: uploads don't hold up searches, nor searches uploads. */
  readonly limiters: Readonly<Record<DicomWebService, ConcurrencyLimiter>>
  /** What takes the place of the store's URLs in the response to a request; null leaves them. */
  readonly urls: ((request: Pick<InboundRequest, 'headers' | 'socket'>) => UrlReplacement) | null
  /** How long (ms) clients may keep what doesn't change; null: as Google says. */
  readonly privateCache: AccountSettings['privateCache']
  /** Null: searches go to Google as they are. */
  readonly searchCompletion: ServedSearchCompletion | null
  readonly operationUrl: OperationUrl
  tokenState(): TokenState
}

export interface ServedSearchCompletion extends SearchCompletionSettings {
  /** Which completed searches may hold rows. */
  readonly turns: ConcurrencyLimiter
}
