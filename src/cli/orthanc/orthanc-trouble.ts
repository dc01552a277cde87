import { networkFailureOf } from '../../network-failure.ts'
import { OrthancError } from '../../orthanc/orthanc-error.ts'
import { Trouble } from '../check/trouble.ts'

/** Why Orthanc's REST interface can't be used, and what to do. */
export function orthancTrouble(error: unknown, url: string): Trouble {
  if (!(error instanceof OrthancError)) throw error
  const cause = { cause: error }
  if (error.stranger === 'not-orthanc') {
    const why = `What answers at ${url} is not Orthanc's REST interface.`
    return new Trouble('not-orthanc', why, "Correct the address: it is Orthanc's HttpPort, 8042 unless set.", cause)
  }
  if (error.stranger === 'old-plugin') {
    const remedy =
      'Update it: Debian 12 has 1.7, which is new enough. Until then, put what register --print says into orthanc.json.'
    return new Trouble('plugin-old', `${error.message}: it is too old.`, remedy, cause)
  }
  if (error.status === 0) return unanswered(error, url)
  if (error.status === 401) {
    return new Trouble(
      'orthanc-login',
      `Orthanc at ${url} wants a user and a password, or does not take these.`,
      `Name one of its RegisteredUsers: --user NAME, the password in the variable ${passwordVariables.orthanc} or on standard input; or Username and Password in DicomWebProxy.Orthanc.`,
      cause,
    )
  }
  if (error.status === 403) {
    return new Trouble(
      'orthanc-forbidden',
      `Orthanc at ${url} does not let this machine or user in (403).`,
      'Set "RemoteAccessAllowed": true in Orthanc, with "AuthenticationEnabled": true, or run this on Orthanc\'s machine.',
      cause,
    )
  }
  if (error.status === 404) {
    return new Trouble(
      'no-dicomweb',
      `Orthanc at ${url} has no DICOMweb servers where they are looked for (404).`,
      'Install its DICOMweb plugin (Debian: apt install orthanc-dicomweb), and name it in "Plugins" of its configuration; if it is loaded, put its DicomWeb.Root into this configuration.',
      cause,
    )
  }
  const why = `${error.message}.`
  return new Trouble('orthanc-refuses', why, "Look into Orthanc's own log.", cause)
}

/** Variables of the environment that hold passwords. */
export const passwordVariables = {
  orthanc: 'GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD',
  client: 'GCP_DICOMWEB_PROXY_CLIENT_PASSWORD',
} as const

function unanswered(error: OrthancError, url: string): Trouble {
  const { code, kind, reason } = networkFailureOf(error.cause)
  if (kind === 'tls') {
    const why = `The certificate of ${url} is not trusted${code ? ` (${code})` : ''}.`
    const remedy = `Name the authority that signed it, or the certificate itself if nobody did: --orthanc-ca FILE, or CACertificates in DicomWebProxy.Orthanc. Its names must have ${new URL(url).hostname} among them.`
    return new Trouble('orthanc-tls', why, remedy, { cause: error })
  }
  if (kind === 'invalid') {
    const why = `What answers at ${url} is no Orthanc: ${reason.split(': ')[0]}${code ? ` (${code})` : ''}.`
    return new Trouble('not-orthanc', why, "Correct the address: it is Orthanc's HttpPort, 8042 unless set.", {
      cause: error,
    })
  }
  const what = code === 'ECONNREFUSED' ? 'nobody accepts the connection' : (reason.split(': ')[0] ?? reason)
  const why = `Orthanc can't be reached at ${url}: ${what}${code ? ` (${code})` : ''}.`
  const remedy =
    "Start Orthanc, or correct the address: http://HOST:PORT with Orthanc's HttpPort (8042 unless set), https:// where its SslEnabled is true."
  return new Trouble('orthanc-unreachable', why, remedy, { cause: error })
}
