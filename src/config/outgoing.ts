import { X509Certificate } from 'node:crypto'
import { readBoundedText } from '../bounded-files.ts'
import type { LoadContext } from './credential.ts'
import { type FileFolders, locate, namedFileFlaw } from './file-folders.ts'
import { proxyFromEnvironment, proxyUrl } from './outgoing-proxy.ts'
import type { Section } from './section.ts'
import type { OutgoingSettings, UpstreamTimeouts } from './settings.ts'

/** Reads Orthanc's options and environment variables for outgoing connections. */
export async function readOutgoing(
  orthanc: Section,
  timeouts: UpstreamTimeouts,
  context: LoadContext,
  environmentProblems: Section,
  warnings: string[],
): Promise<OutgoingSettings> {
  const verifyPeers = orthanc.flag('HttpsVerifyPeers')
  if (!verifyPeers) {
    warnings.push(
      "HttpsVerifyPeers is false: certificates are not checked, so anyone on the network path can read and change images and steal access tokens. Don't use it in production; name the authority in HttpsCACertificates instead.",
    )
  }
  const configured = proxyUrl(orthanc, 'HttpProxy')
  const { environment } = context
  return {
    verifyPeers,
    certificateAuthorities: await certificateAuthorities(orthanc, 'HttpsCACertificates', context),
    httpsProxy: configured ?? proxyFromEnvironment(environmentProblems, 'https_proxy', 'HTTPS_PROXY'),
    httpProxy: configured ?? proxyFromEnvironment(environmentProblems, 'http_proxy', 'HTTP_PROXY'),
    noProxy: environment.no_proxy || environment.NO_PROXY || '',
    timeouts,
  }
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/**
 * Reads a file of authorities, PEM. It is read at load time, because without it no connection would
 * work. The authorities replace the system's, as with curl's `--cacert`.
 */
export async function certificateAuthorities(
  section: Section,
  key: string,
  folders: FileFolders,
): Promise<readonly string[] | null> {
  const file = section.text(key)
  if (!file) return null
  try {
    const text = await readBoundedText(await locate(file, folders))
    const pems = text.match(certificate) ?? []
    if (pems.length === 0)
      section.problem(key, 'names a file without a certificate in PEM form (-----BEGIN CERTIFICATE-----)')
    for (const [at, pem] of pems.entries()) {
      if (!isCertificate(pem))
        section.problem(key, `names a file whose certificate no. ${at + 1} is damaged`, 'replace it')
    }
    return pems
  } catch (error) {
    const { problem, remedy } = namedFileFlaw(error, file, folders)
    section.problem(key, `names a file that ${problem}`, remedy)
    return null
  }
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
