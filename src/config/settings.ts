/** The DICOMweb services of DICOM PS3.18 that a store offers; DELETE is Google's own addition to them. */
export const dicomWebServices = ['STOW-RS', 'QIDO-RS', 'WADO-RS', 'DELETE'] as const
export type DicomWebService = (typeof dicomWebServices)[number]

/** Everything the program was configured to do: read once, checked, frozen. Durations are milliseconds. */
export interface Settings {
  /** When the files were read, in milliseconds since the epoch. */
  readonly readAt: number
  readonly accounts: readonly AccountSettings[]
  /** Root of the Cloud Healthcare API; ends with a slash. */
  readonly baseUrl: string
  readonly tokens: TokenSettings
  readonly outgoing: OutgoingSettings
  readonly listen: ListenAddress
  /** The admin listener's address; null turns that listener off. */
  readonly adminListen: ListenAddress | null
  /** How clients reach the data listener, without a trailing slash; null leaves Google's URLs in answers as they are. */
  readonly publicUrl: string | null
  readonly retry: RetrySettings
  readonly concurrency: ConcurrencySettings
  /** How long a client may take for the head of a request. */
  readonly requestHeaders: number
  /** How long requests under way may take to finish once the proxy ends. */
  readonly shutdownGrace: number
  /** After its arrival a deletion of a study or series is waited for until this has passed; 0 passes Google's operation through. */
  readonly deletionWait: number
  /** Who may use the data listener; null authenticates nobody. */
  readonly clients: ClientsSettings | null
  /** From where clients may connect; null is from everywhere. */
  readonly allowedNetworks: readonly Network[] | null
  /** Null: the listeners speak plain http. */
  readonly tls: TlsSettings | null
  readonly limits: LimitSettings
  /** True: anyone who can reach the data listener may use every account. Needed for a `listen` beyond loopback without clients. */
  readonly allowAnonymous: boolean
  /** Null keeps no audit trail. */
  readonly audit: AuditSettings | null
  readonly orthanc: OrthancSettings
  /** `HttpVerbose`: log each upstream exchange (redacted). */
  readonly verbose: boolean
  /** Things worth a warning at every start, a sentence each, ready to print. */
  readonly warnings: readonly string[]
  /** Options that were read but don't matter to a proxy, a sentence each, ready to print. */
  readonly notices: readonly string[]
}

/** What the configuration says of Orthanc itself, which `check` and `register` look at. */
export interface OrthancSettings {
  /** `DicomWeb.Root`: where its DICOMweb plugin answers. */
  readonly dicomWebRoot: string
  /** `HttpTimeout`, for one transfer in all; null if it is not set. */
  readonly httpTimeout: number | null
  /** The Orthanc that the accounts are registered in; null if there is none. */
  readonly registration: RegistrationSettings | null
}

/** How the accounts are registered in an Orthanc. The passwords are secrets. */
export interface RegistrationSettings {
  /** Of its REST interface, without a trailing slash. */
  readonly url: string
  readonly login: { readonly username: string; readonly password: string } | null
  /** PEM; null: those that Node trusts. */
  readonly certificateAuthorities: readonly string[] | null
  /** As which of our clients Orthanc logs in; null: it doesn't. */
  readonly client: { readonly username: string; readonly password: string } | null
  /** How Orthanc reaches the data listener, without a trailing slash; null: by PublicUrl or Listen. */
  readonly proxyUrl: string | null
  /** That Orthanc allows one transfer in all. */
  readonly timeout: number
  /** Between two looks at Orthanc. */
  readonly interval: number
}

/** Where the audit trail goes, and what is in it. */
export interface AuditSettings {
  /** Absolute path; null for none. */
  readonly file: string | null
  readonly standardOutput: boolean
  readonly syslog: AuditSyslogSettings | null
  /** Whether a request is refused that can't be recorded. */
  readonly required: boolean
  /** Whether the values of queries are recorded. */
  readonly queryValues: boolean
}

/** An audit record repository (DICOM PS3.15 A.6). The key is a secret. */
export interface AuditSyslogSettings {
  readonly host: string
  readonly port: number
  /** What the proxy calls itself there; null: the name of this machine. */
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

/** All that is known of clients at the start. */
export interface ClientsSettings {
  /** Of `Clients`. */
  readonly named: readonly ClientSettings[]
  /** `ClientsFile`, absolute; it may change while the proxy runs. Null if there is none. */
  readonly file: string | null
  /** Of that file, as it was at the start. */
  readonly listed: readonly ClientSettings[]
  /** Whether clients may be known by their certificates. */
  readonly hasAuthorities: boolean
}

/** Somebody who may use the proxy: what proves that it is them, and what they may do. No secret is in it. */
export interface ClientSettings {
  readonly name: string
  /** Of the password for HTTP Basic, in the PHC string format; null if there is none. */
  readonly passwordHash: string | null
  /** SHA-256 of the bearer token, in hexadecimal. */
  readonly tokenDigest: string | null
  /** Distinguished name of the client's certificate (RFC 2253). */
  readonly certificateSubject: string | null
  /** One of the certificate's subject alternative names, such as `DNS:orthanc.example`. */
  readonly certificateName: string | null
  readonly accounts: readonly ClientRights[]
  /** Whether the admin listener may be used from other machines. */
  readonly admin: boolean
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
  /** How many of its first bits count. */
  readonly prefix: number
  readonly family: 'ipv4' | 'ipv6'
}

/** How the data listener speaks TLS, and the admin listener where other machines reach it. Files are absolute paths to PEM. */
export interface TlsSettings {
  readonly certificate: string
  readonly key: string
  /** Authorities of clients' certificates; null asks for none. */
  readonly clientAuthorities: string | null
  /** True: who has no valid certificate gets no connection to the data listener. */
  readonly requireClientCertificate: boolean
}

/** What strangers may cost. */
export interface LimitSettings {
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Of a request's line and headers. */
  readonly headerBytes: number
  /** How long a connection may stay open without a request. */
  readonly keepAliveTimeout: number
  /** Tries to log in that may fail, by address, before it has to wait. */
  readonly failedLogins: number
  /** Lines a minute about those who are not let in. */
  readonly rejectedLogRate: number
}

/** One DICOM store, and how to get into it. */
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
}

/** Where an account's access token comes from. Files are absolute paths, read when a token is fetched. */
export interface CredentialSettings {
  readonly source: CredentialSource
  /** E-mail address of a service account to impersonate with the source's token; null uses that token itself. */
  readonly impersonate: string | null
}

export type CredentialSource =
  | { readonly kind: 'service-account-file'; readonly file: string }
  | { readonly kind: 'authorized-user-file'; readonly file: string }
  | {
      readonly kind: 'authorized-user'
      readonly clientId: string
      readonly clientSecret: string
      readonly refreshToken: string
    }
  | { readonly kind: 'external-account-file'; readonly file: string }
  | {
      readonly kind: 'application-default'
      /** `GOOGLE_APPLICATION_CREDENTIALS`, absolute; null when unset. */
      readonly file: string | null
      /** gcloud's own file, absolute: used when it exists and `file` is null. */
      readonly wellKnownFile: string | null
      /** `GCE_METADATA_HOST`: another metadata server, `host[:port]`; null is Google's own address. */
      readonly metadataHost: string | null
    }

export interface TokenSettings {
  /** Another OAuth 2.0 token endpoint instead of Google's; null is Google's. */
  readonly tokenUrl: string | null
  /** Another root of the IAM Credentials API, for impersonation; ends with a slash; null is Google's. */
  readonly iamCredentialsUrl: string | null
  /** Host names (with port where not 443) that credential files may name besides Google's own. */
  readonly allowedHosts: readonly string[]
  /** For one token request as a whole. */
  readonly timeout: number
  /** Longest time between two looks at a token's remaining life. */
  readonly refreshInterval: number
}

/** How every outgoing connection is made: to the DICOM stores and to the token endpoints. */
export interface OutgoingSettings {
  readonly verifyPeers: boolean
  /** Trusted authorities as PEM texts; null trusts the system's and Node's own. */
  readonly certificateAuthorities: readonly string[] | null
  /** `http://[user:password@]host:port` of the outgoing proxy, or null. From `HttpProxy`, else `HTTPS_PROXY`. */
  readonly httpsProxy: string | null
  /** The same for upstreams on plain http (loopback only): from `HttpProxy`, else `HTTP_PROXY`. */
  readonly httpProxy: string | null
  /** Value of `NO_PROXY`: hosts reached without the outgoing proxy. */
  readonly noProxy: string
  readonly timeouts: UpstreamTimeouts
}

export interface UpstreamTimeouts {
  /** To reach the upstream: name resolution, TCP, TLS. */
  readonly connect: number
  /** From the end of a store or retrieve request to the first byte of the answer. Google gives up after 30 minutes. */
  readonly response: number
  /** The same for searches and deletions. */
  readonly searchResponse: number
  /** Without a single byte in the direction that should flow. */
  readonly idle: number
  /** Bytes of a client's body that `idle` must bring at the least. */
  readonly minBodyRate: number
}

/** How much each account asks of Google at the same time, for each service. */
export interface ConcurrencySettings {
  /** Requests that may be under way at the most; fewer while Google refuses some because of load. */
  readonly maxInFlight: number
  /** Requests that may wait for a place. */
  readonly maxPending: number
  /** How long one may wait. */
  readonly queueTimeout: number
}

/** How far the proxy goes to get a request through by itself. */
export interface RetrySettings {
  /** After its arrival a request may be sent to Google again until this has passed; 0 sends once only. */
  readonly totalTimeout: number
  /** Bytes of an upload that are kept so that it can be sent again. */
  readonly bufferPerRequest: number
  /** Bytes that are kept of all uploads together. */
  readonly bufferTotal: number
}
