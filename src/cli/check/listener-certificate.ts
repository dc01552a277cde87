import type { X509Certificate } from 'node:crypto'
import type { TlsSettings } from '../../config/settings.ts'
import { certificatesIn, expiryWarningMs, readTls } from '../../config/tls.ts'
import { DiagnosedError } from '../../errors.ts'
import type { Checklist } from './checklist.ts'

/** The certificates that the listeners show, and that they check clients' certificates with. */
export async function checkListenerCertificates(list: Checklist, tls: TlsSettings): Promise<void> {
  const { cert, ca } = await readTls(tls)
  const item = (title: string) => ({ layer: 'configuration' as const, subject: null, title })
  await list.check(item('Certificate of the proxy'), () => own(certificatesIn(cert), tls.certificate))
  const { clientAuthorities } = tls
  if (ca === null || clientAuthorities === null) return
  await list.check(item("CA of clients' certificates"), () => authorities(certificatesIn(ca), clientAuthorities))
}

/** The first is the listeners' own; the others lead to its CA. */
function own([certificate, ...intermediates]: readonly X509Certificate[], file: string): string {
  if (!certificate) throw new Error(`${file} has no certificate`)
  const now = Date.now()
  const end = day(certificate.validToDate)
  if (certificate.validToDate.getTime() <= now) {
    const problem = `The certificate in ${file} expired on ${end}, so clients that check it can't connect.`
    throw new DiagnosedError({ code: 'certificate-expired', problem, remedy: replace('Certificate') })
  }
  if (certificate.validFromDate.getTime() > now) {
    const problem = `The certificate in ${file} is not valid before ${day(certificate.validFromDate)}.`
    const remedy = 'Check the date of this machine, or put the certificate there that is valid now.'
    throw new DiagnosedError({ code: 'certificate-not-yet-valid', problem, remedy })
  }
  if (intermediates.some(({ validToDate }) => validToDate.getTime() <= now)) {
    const problem = `An intermediate certificate in ${file} has expired, so most clients can't connect.`
    const remedy = 'Put the chain there that the CA gives today, after the certificate.'
    throw new DiagnosedError({ code: 'intermediate-expired', problem, remedy })
  }
  return `valid until ${end}${soon(certificate)}`
}

function authorities(all: readonly X509Certificate[], file: string): string {
  const valid = all.filter(({ validToDate }) => validToDate.getTime() > Date.now())
  const expired = all.length - valid.length
  const last = latest(valid.length > 0 ? valid : all)
  if (valid.length === 0) {
    const problem = `The CA in ${file} expired on ${last ? day(last.validToDate) : '?'}, so no client can log in with a certificate.`
    throw new DiagnosedError({ code: 'client-ca-expired', problem, remedy: replace('ClientAuthorities') })
  }
  const warning = expired > 0 ? `; WARNING: ${expired} of ${all.length} have expired` : ''
  return `valid until ${last ? `${day(last.validToDate)}${soon(last)}` : '?'}${warning}`
}

function latest(all: readonly X509Certificate[]): X509Certificate | undefined {
  return all.toSorted((a, b) => b.validToDate.getTime() - a.validToDate.getTime())[0]
}

function soon({ validToDate }: X509Certificate): string {
  const left = validToDate.getTime() - Date.now()
  return left < expiryWarningMs ? `; WARNING: only ${Math.floor(left / 86_400_000)} more days` : ''
}

function replace(key: 'Certificate' | 'ClientAuthorities'): string {
  return `Replace the file that DicomWebProxy.Tls.${key} names; a running proxy reads it again by itself.`
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10)
}
