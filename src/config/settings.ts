import type { LimiterSettings } from '../concurrency/limiter.ts'

/** The DICOMweb services of a store: those of DICOM PS3.18, and DELETE, Google's own addition. */
export const dicomWebServices = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'] as const
export type DicomWebService = (typeof dicomWebServices)[number]

/** The whole configuration: checked and frozen. Durations are in milliseconds, sizes in bytes. */
export interface Settings {
  /** When the files were read, in milliseconds since the epoch. */
  readonly readAt: number
  readonly accounts: readonly AccountSettings[]
  /** Root of the Cloud Healthcare API; ends with a slash. */
  readonly baseUrl: string
  readonly tokens: TokenSettings
  readonly outgoing: OutgoingSettings
  readonly listen: ListenAddress
  /** The admin listener's address; null turns the listener off. */
  readonly adminListen: ListenAddress | null
  /**
   * URL at which clients reach the data listener, without a trailing slash; null: each client's own
   * address for it.
   */
  readonly publicUrl: string | null
  /** Proxies in front whose `Forwarded` and `X-Forwarded-*` headers count. */
  readonly trustedProxies: readonly Network[]
  /** Origins of pages that may use the data listener, as browsers send them. */
  readonly corsOrigins: readonly string[]
  readonly retry: RetrySettings
  readonly concurrency: LimiterSettings
  /** How long a client may take to send the request line and headers. */
  readonly requestHeaders: number
  /** How long requests in flight may take to finish once the proxy stops. */
  readonly shutdownGrace: number
  /** How many accounts must have a token so that `/readyz` says ready. */
  readonly readiness: 'all' | 'any'
  /**
   * How long after the request's arrival to wait for a study or series deletion; 0 passes Google's
   * operation through.
   */
  readonly deletionWait: number
  /** The clients that may use the data listener; null authenticates nobody. */
  readonly clients: ClientsSettings | null
  /** Networks that clients may connect from; null allows all. */
  readonly allowedNetworks: readonly Network[] | null
  /** Null: the listeners speak plain http. */
  readonly tls: TlsSettings | null
  readonly limits: LimitSettings
  /**
   * True: everyone who can reach the data listener may use every account. Required for a `listen`
   * beyond loopback without clients.
   */
  readonly allowAnonymous: boolean
  /** Null: no audit trail. */
  readonly audit: AuditSettings | null
  readonly orthanc: OrthancSettings
  /** `HttpVerbose`: log each exchange with Google (redacted). */
  readonly verbose: boolean
  /** Dangers to warn of at every start, a sentence each. */
  readonly warnings: readonly string[]
  /** Options without effect and similar hints, a sentence each. */
  readonly notices: readonly string[]
}

/** What the configuration says about Orthanc itself, for `check` and `register`. */
export interface OrthancSettings {
  /** `DicomWeb.Root`: path of its DICOMweb server. */
  readonly dicomWebRoot: string
  /** `HttpTimeout`, for one transfer as a whole; null if it is not set. */
  readonly httpTimeout: number | null
  /**
   * The configuration has `HttpProxy`, and other keys that only Orthanc reads: it uses that, too.
   */
  readonly usesHttpProxy: boolean
  /** The Orthanc in which to register the accounts; null for none. */
  readonly registration: RegistrationSettings | null
}

/** How to register the accounts in an Orthanc. The passwords are secrets. */
export interface RegistrationSettings {
  /** URL of its REST interface, without a trailing slash. */
  readonly url: string
  readonly login: { readonly username: string; readonly password: string } | null
  /** PEM; null: those that Node trusts. */
  readonly certificateAuthorities: readonly string[] | null
  /** The file that they are from. */
  readonly certificateAuthoritiesFile: string | null
  /** How Orthanc logs in to the proxy; null: not at all, or as its entries say. */
  readonly client: OrthancClientSettings | null
  /**
   * URL at which Orthanc reaches the data listener, without a trailing slash; null: PublicUrl or
   * Listen.
   */
  readonly proxyUrl: string | null
  /** How long Orthanc allows one transfer to take as a whole. */
  readonly timeout: number
  /** Poll interval for Orthanc's servers. */
  readonly interval: number
  /** Null: failed uploads stay failed. */
  readonly resubmission: ResubmissionSettings | null
}

/** How uploads of an Orthanc are resubmitted that failed in an outage. */
export interface ResubmissionSettings {
  /** Of one job. */
  readonly maxAttempts: number
  /** From a failure to the first resubmission; twice as long before each further one. */
  readonly interval: number
  /** Since the job was made. */
  readonly maxAge: number
  /** Where what waits is remembered over a restart. */
  readonly stateFile: string | null
}

/** The proxy's client that an Orthanc is. The password is a secret. */
export interface OrthancClientSettings {
  /** Null where only something in front of the proxy asks for the certificate. */
  readonly name: string | null
  readonly password: string | null
  /** Names of PEM files where Orthanc runs, which need not be this machine. */
  readonly certificate: { readonly certificateFile: string; readonly keyFile: string } | null
}

/** Where the audit trail goes and what it contains. */
export interface AuditSettings {
  /** Absolute path; null for none. */
  readonly file: string | null
  readonly standardOutput: boolean
  readonly syslog: AuditSyslogSettings | null
  /** Whether to reject requests that can't be recorded. */
  readonly required: boolean
  /** Whether to record the values of query parameters. */
  readonly queryValues: boolean
}

/** An audit record repository (DICOM PS3.15 A.6). The key is a secret. */
export interface AuditSyslogSettings {
  readonly host: string
  readonly port: number
  /** Audit Source ID; null: the name of this machine. */
  readonly sourceId: string | null
  /** PEM; null: those that Node trusts. */
  readonly certificateAuthorities: readonly string[] | null
  /** The proxy's own certificate and key, PEM. */
  readonly identity: { readonly cert: string; readonly key: string } | null
}

export interface ListenAddress {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** The clients at load time. */
export interface ClientsSettings {
  /** Clients of `Clients`. */
  readonly named: readonly ClientSettings[]
  /** `ClientsFile`, absolute; it may change while the proxy runs. Null if it is not set. */
  readonly file: string | null
  /** Clients of that file at load time. */
  readonly listed: readonly ClientSettings[]
  /** Whether clients can authenticate with certificates. */
  readonly hasAuthorities: boolean
}

/** A client: how it logs in and what it may do. Contains no secret. */
export interface ClientSettings {
  readonly name: string
  /** Hash of the password for HTTP Basic in the PHC string format; null if there is none. */
  readonly passwordHash: string | null
  /** SHA-256 of the bearer token, in hexadecimal. */
  readonly tokenDigest: string | null
  /** Distinguished name of the client's certificate (RFC 2253). */
  readonly certificateSubject: string | null
  /** One of the certificate's subject alternative names, such as `DNS:orthanc.example`. */
  readonly certificateName: string | null
  readonly accounts: readonly ClientRights[]
  /** Whether the client may use the admin listener from other machines. */
  readonly admin: boolean
  /** The header in which it may say for whom it asks, in lower case; null for none. */
  readonly userHeader: string | null
}

/** What a client may do with one account. */
export interface ClientRights {
  /** The account's name. */
  readonly account: string
  readonly services: readonly DicomWebService[]
}

/** A network, or one address. */
export interface Network {
  readonly address: string
  /** Number of leading bits that count. */
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * TLS of the data listener, and of the admin listener if other machines can reach it. Files are
 * absolute paths to PEM.
 */
export interface TlsSettings {
  readonly certificate: string
  readonly key: string
  /** Authorities of clients' certificates; null requests none. */
  readonly clientAuthorities: string | null
  /** True: reject connections to the data listener without a valid client certificate. */
  readonly requireClientCertificate: boolean
  /** Whether the data listener speaks HTTP/2 with clients that offer it. */
  readonly http2: boolean
}

/** Limits on connections and on unauthenticated clients. */
export interface LimitSettings {
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Maximum size of the request line and headers. */
  readonly headerBytes: number
  /** How long a connection may stay open without a request. */
  readonly keepAliveTimeout: number
  /** Failed logins allowed per address before further logins are delayed. */
  readonly failedLogins: number
  /** Maximum number of log lines per minute about rejected connections, handshakes and logins. */
  readonly rejectedLogRate: number
}

/** One DICOM store and its credential. */
export interface AccountSettings {
  readonly name: string
  readonly project: string
  readonly location: string
  readonly dataset: string
  readonly dicomStore: string
  readonly credential: CredentialSettings
  /** Sent as `x-goog-user-project`; null sends none. */
  readonly quotaProject: string | null
  readonly access: readonly DicomWebService[]
  /** Whether the store's URLs in responses are replaced by those of the proxy. */
  readonly rewriteUrls: boolean
  /** How long clients may keep what doesn't change; null: as Google says. */
  readonly privateCache: { readonly maxAge: number } | null
  /** Null: searches that Google can't do are not completed. */
  readonly searchCompletion: SearchCompletionSettings | null
  /** How uploads are sent in batches; null: each is one request. */
  readonly parallelStow: ParallelStowSettings | null
}

/** What happens to an instance that Google refuses because it has one with its UID. */
export const duplicateTreatments = ['fail', 'verify'] as const
export type OnDuplicate = (typeof duplicateTreatments)[number]

/** Uploads in batches, over several connections at once. */
export interface ParallelStowSettings {
  /** Maximum number of connections for one upload. */
  readonly connections: number
  /** Maximum size of a batch. */
  readonly batchBytes: number
  /** Held in memory of all uploads of the account together. */
  readonly memoryBytes: number
  /** Of all uploads of the account together; null: no limit. */
  readonly maxBytesPerSecond: number | null
  readonly onDuplicate: OnDuplicate
}

/** How far the proxy goes to do searches that Google can't do. */
export interface SearchCompletionSettings {
  /** Rows of Google's that one search may read. */
  readonly maxRows: number
  /** How long one search may take. */
  readonly timeout: number
  /** Requests at Google at a time, for one search. */
  readonly maxParallel: number
  /** Completed searches at a time. */
  readonly maxSearches: number
}

/**
 * Where an account's access tokens come from. Files are absolute paths, read when a token is
 * fetched.
 */
export interface CredentialSettings {
  readonly source: CredentialSource
  /**
   * E-mail address of a service account to impersonate with the source's token; null uses that
   * token itself.
   */
  readonly impersonate: string | null
}

/** A credential file that the configuration names; absolute paths. */
export interface NamedCredentialFile {
  readonly kind: 'service-account-file' | 'authorized-user-file' | 'external-account-file'
  readonly file: string
  /** Beside the configuration: used where `file` does not exist. */
  readonly otherFile?: string
}

export type CredentialSource =
  | NamedCredentialFile
  | {
      readonly kind: 'authorized-user'
      readonly clientId: string
      readonly clientSecret: string
      readonly refreshToken: string
    }
  | {
      readonly kind: 'application-default'
      /** `GOOGLE_APPLICATION_CREDENTIALS`, absolute; null when unset. */
      readonly file: string | null
      /** gcloud's own file, absolute; used if it exists and `file` is null. */
      readonly wellKnownFile: string | null
      /**
       * `GCE_METADATA_HOST`, else `GCE_METADATA_IP`: another metadata server, `host[:port]`; null
       * is Google's own address.
       */
      readonly metadataHost: string | null
      /** Whether `METADATA_SERVER_DETECTION` is `none`. */
      readonly withoutMetadataServer?: boolean
      /** `GOOGLE_CLOUD_QUOTA_PROJECT`. */
      readonly quotaProject?: string
    }

export interface TokenSettings {
  /** OAuth 2.0 token endpoint; null is Google's. */
  readonly tokenUrl: string | null
  /**
   * Root of the IAM Credentials API, for impersonation, with a slash at its end; null is Google's.
   */
  readonly iamCredentialsUrl: string | null
  /** Hosts other than Google's that credential files may name, with a port if it is not 443. */
  readonly allowedHosts: readonly string[]
  /** Maximum duration of a token request. */
  readonly timeout: number
  /** Maximum interval between token expiry checks. */
  readonly refreshInterval: number
}

/** Settings of all outgoing connections: to the DICOM stores and to the token endpoints. */
export interface OutgoingSettings {
  readonly verifyPeers: boolean
  /** Trusted authorities as PEM texts; null trusts the system's and Node's own. */
  readonly certificateAuthorities: readonly string[] | null
  /**
   * `http://[user:password@]host:port` of the outgoing proxy, or null. From `HttpProxy`, else
   * `HTTPS_PROXY`.
   */
  readonly httpsProxy: string | null
  /** The same for upstreams on plain http (loopback only): from `HttpProxy`, else `HTTP_PROXY`. */
  readonly httpProxy: string | null
  /** Value of `NO_PROXY`: hosts to reach without the outgoing proxy. */
  readonly noProxy: string
  readonly timeouts: UpstreamTimeouts
}

export interface UpstreamTimeouts {
  /** For connecting to Google: name resolution, TCP and TLS together. */
  readonly connect: number
  /**
   * From the end of a store or retrieve request to the first byte of the response. Google gives up
   * after 30 minutes ("Quotas and limits").
   */
  readonly response: number
  /** The same for searches and deletions. */
  readonly searchResponse: number
  /** Without a single byte in the direction in which data should flow. */
  readonly idle: number
  /** Minimum number of bytes of a client's body per period of `idle`. */
  readonly minBodyRate: number
}

/** Automatic retries. */
export interface RetrySettings {
  /**
   * How long after its arrival a request may be retried; 0: no retries, except one with a new token
   * after a 401.
   */
  readonly totalTimeout: number
  /** Bytes of an upload that are buffered for retries. */
  readonly bufferPerRequest: number
  /** Bytes that are buffered of all uploads together. */
  readonly bufferTotal: number
}
