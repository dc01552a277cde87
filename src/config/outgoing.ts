import { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { readBoundedFile } from '../bounded-files.ts'
import type { Surroundings } from './credential.ts'
import { proxyFromEnvironment, proxyUrl } from './outgoing-proxy.ts'
import { fileMessage } from './read.ts'
import type { Section } from './section.ts'
import type { OutgoingSettings, UpstreamTimeouts } from './settings.ts'

/** How outgoing connections are made, from Orthanc's own options, the `Timeouts` section, and the environment. */
export async function outgoingOf(
  orthanc: Section,
  timeouts: Section,
  around: Surroundings,
  environmentProblems: Section,
  warnings: string[],
): Promise<OutgoingSettings> {
  const verifyPeers = orthanc.flag('HttpsVerifyPeers') ?? true
  if (!verifyPeers) {
    warnings.push(
      'HttpsVerifyPeers is false: certificates are not checked, so anyone on the way can read and change images and steal access tokens. Not for production; name the authority in HttpsCACertificates instead.',
    )
  }
  const configured = proxyUrl(orthanc, 'HttpProxy')
  const { environment } = around
  return {
    verifyPeers,
    certificateAuthorities: await certificateAuthorities(orthanc, 'HttpsCACertificates', around.workingDirectory),
    httpsProxy: configured ?? proxyFromEnvironment(environmentProblems, 'https_proxy', 'HTTPS_PROXY'),
    httpProxy: configured ?? proxyFromEnvironment(environmentProblems, 'http_proxy', 'HTTP_PROXY'),
    noProxy: environment.no_proxy || environment.NO_PROXY || '',
    timeouts: timeoutsOf(timeouts),
  }
}

function timeoutsOf(timeouts: Section): UpstreamTimeouts {
  const answer = timeouts.number('Answer') ?? 1900
  return {
    connect: 1000 * (timeouts.number('Connect') ?? 15),
    answer: 1000 * answer,
    searchAnswer: 1000 * (timeouts.number('SearchAnswer') ?? Math.min(answer, 300)),
    idle: 1000 * (timeouts.number('Idle') ?? 300),
    idleBytes: timeouts.number('IdleBytes') ?? 16_384,
  }
}

const certificate = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Read at start: with an authority missing, nobody could be reached. They replace the system's, as curl's `--cacert`. */
export async function certificateAuthorities(
  section: Section,
  key: string,
  workingDirectory: string,
): Promise<readonly string[] | null> {
  const file = section.text(key)
  if (!file) return null
  try {
    const text = (await readBoundedFile(resolve(workingDirectory, file))).toString('latin1')
    const pems = text.match(certificate) ?? []
    if (pems.length === 0)
      section.problem(key, 'names a file without a certificate in PEM form (-----BEGIN CERTIFICATE-----)')
    for (const [at, pem] of pems.entries()) {
      if (!isCertificate(pem)) section.problem(key, `names a file whose certificate no. ${at + 1} is damaged`)
    }
    return pems
  } catch (error) {
    section.problem(key, `names a file that ${fileMessage(error)}`)
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
