import { DiagnosedError, type Diagnosis } from '../errors.ts'
import { invocation } from '../invocation.ts'
import { networkFailureOf } from '../network-failure.ts'

interface OrthancResponse {
  readonly status?: number
  readonly details?: string
  readonly cause?: unknown
}

/** Orthanc refused a request, or cannot be reached. */
export class OrthancError extends DiagnosedError {
  /** Of its response; 0 if there was none. */
  readonly status: number
  /**
   * Orthanc's `Message` and `Details`; its DICOMweb plugin hides the cause behind a general phrase.
   */
  readonly details: string

  constructor(diagnosis: Diagnosis, { status = 0, details = '', cause }: OrthancResponse = {}) {
    super(diagnosis, { cause })
    this.name = 'OrthancError'
    this.status = status
    this.details = details
  }
}

/** @param request method and path */
export function refusal(url: string, request: string, status: number, details: string): OrthancError {
  return new OrthancError(diagnoseStatus(url, request, status, details && `: ${details}`), { status, details })
}

function diagnoseStatus(url: string, request: string, status: number, quoted: string): Diagnosis {
  if (status === 401) {
    return {
      code: 'orthanc-login',
      problem: `Orthanc at ${url} requires a login, rejects this one, or admits only its own machine (401)${quoted}.`,
      remedy: `Log in as one of its RegisteredUsers: --user NAME, with the password in the variable ${passwordVariables.orthanc} or on standard input; or Username and Password in DicomWebProxy.Orthanc. If a right login is rejected, too, this is another machine to Orthanc, as a container or pod is: set RemoteAccessAllowed and AuthenticationEnabled to true in Orthanc, with a user in RegisteredUsers.`,
    }
  }
  if (status === 403) {
    return {
      code: 'orthanc-forbidden',
      problem: `Orthanc at ${url} does not admit this machine or user (403)${quoted}.`,
      remedy:
        'Find out what refuses: something in front of Orthanc, such as a reverse proxy, or a plugin for authorization. Orthanc itself would return 401.',
    }
  }
  return {
    code: 'orthanc-refuses',
    problem: `Orthanc at ${url} returned ${status} to ${request}${quoted}.`,
    remedy: "Read Orthanc's own log.",
  }
}

/** What responds there is something else. */
export function notOrthanc(url: string, cause?: unknown): OrthancError {
  const problem = `What responds at ${url} is not Orthanc's REST interface.`
  return new OrthancError({ code: 'not-orthanc', problem, remedy: correctAddress }, { cause })
}

const correctAddress = "Correct the address: it has Orthanc's HttpPort, 8042 by default."

export function withoutPlugin(cause: OrthancError): OrthancError {
  const problem = 'Orthanc runs without its DICOMweb plugin.'
  const remedy =
    'Install it (Debian: apt install orthanc-dicomweb), and name it in "Plugins" of Orthanc\'s configuration.'
  return new OrthancError({ code: 'no-plugin', problem, remedy }, { status: cause.status, cause })
}

export function withoutServers(url: string, cause: OrthancError): OrthancError {
  return new OrthancError(
    {
      code: 'no-dicomweb',
      problem: `Orthanc at ${url} has no DICOMweb servers at the expected path (404).`,
      remedy:
        'Install its DICOMweb plugin (Debian: apt install orthanc-dicomweb), and name it in "Plugins" of its configuration. If it is loaded, put its DicomWeb.Root into this configuration.',
    },
    { status: cause.status, cause },
  )
}

export function oldPlugin(url: string): OrthancError {
  return new OrthancError({
    code: 'plugin-old',
    problem: `The DICOMweb plugin of Orthanc at ${url} is too old: it does not show its servers.`,
    remedy: `Update it: Debian 12 has 1.7, which is new enough. Until then, put the output of "${invocation} register --print" into orthanc.json.`,
  })
}

/** No response at all, or none that can be read. */
export function noResponse(url: string, cause: unknown): OrthancError {
  return new OrthancError(diagnoseNetwork(url, cause), { cause })
}

function diagnoseNetwork(url: string, cause: unknown): Diagnosis {
  const { code, kind, problem } = networkFailureOf(cause)
  const named = code ? ` (${code})` : ''
  if (kind === 'tls') {
    return {
      code: 'orthanc-tls',
      problem: `The certificate of ${url} is not trusted${named}.`,
      remedy: `Name the CA that signed it, or the certificate itself if it is self-signed: --orthanc-ca FILE, or CACertificates in DicomWebProxy.Orthanc. Its names must include ${new URL(url).hostname}.`,
    }
  }
  if (kind === 'invalid') {
    return {
      code: 'not-orthanc',
      problem: `What responds at ${url} is not Orthanc: ${problem}${named}.`,
      remedy: correctAddress,
    }
  }
  return {
    code: 'orthanc-unreachable',
    problem: `Orthanc cannot be reached at ${url}: ${problem}${named}.`,
    remedy:
      "Start Orthanc, or correct the address: http://HOST:PORT with Orthanc's HttpPort (8042 by default), or https:// if its SslEnabled is true.",
  }
}

/**
 * An entry differs, and was not written.
 *
 * @param hidden keys that Orthanc doesn't show
 * @param changes what should have been changed; empty if only a given password may differ
 */
export function hiddenLogin(url: string, name: string, hidden: readonly string[], changes: string): OrthancError {
  const lost = hidden.join(', ')
  const reason = changes
    ? `because Orthanc does not show its ${lost}: to write the entry would lose that. It needs: ${changes}.`
    : `although it looks right. Its password can't be compared, and the entry can't be rewritten without losing its ${lost}.`
  return new OrthancError({
    code: 'login-hidden',
    problem: `The server ${name} in Orthanc was left as it is, ${reason}`,
    remedy: `Make the change where the entry comes from, such as orthanc.json. ${loginToName(hidden)}If nothing needs what would be lost, delete the entry in Orthanc and register again: curl -X DELETE ${url}/dicom-web/servers/${encodeURIComponent(name)}`,
  })
}

/**
 * An entry of an account that is gone, but with something that we didn't write.
 *
 * @param keys what is in it
 */
export function notRemoved(url: string, name: string, keys: readonly string[]): OrthancError {
  return new OrthancError({
    code: 'entry-not-removed',
    problem: `Left entry ${name} in Orthanc: it has ${keys.join(', ')}, which could not be restored.`,
    remedy: `If nothing needs it, delete it: curl -X DELETE ${url}/dicom-web/servers/${encodeURIComponent(name)}`,
  })
}

function loginToName(hidden: readonly string[]): string {
  if (hidden.includes('CertificateKeyFile')) {
    return `Or name certificate and key as Orthanc's machine has them: ${invocation} register --client NAME --client-certificate FILE --client-key FILE, or Client, ClientCertificate and ClientKey in DicomWebProxy.Orthanc. `
  }
  if (hidden.includes('Password')) {
    return `Or name the client with its password: ${invocation} register --client NAME, or Client and ClientPassword in DicomWebProxy.Orthanc. `
  }
  return ''
}

/** Variables of the environment that hold passwords. */
export const passwordVariables = {
  orthanc: 'GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD',
  client: 'GCP_DICOMWEB_PROXY_CLIENT_PASSWORD',
} as const
