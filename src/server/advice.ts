import type { DicomWebService } from '../config/settings.ts'

/** What a service needs at Google: https://cloud.google.com/healthcare-api/docs/access-control. */
export const permissions: Readonly<Record<DicomWebService, { permission: string; role: string }>> = {
  'STOW-RS': { permission: 'healthcare.dicomStores.dicomWebWrite', role: 'roles/healthcare.dicomEditor' },
  'QIDO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  'WADO-RS': { permission: 'healthcare.dicomStores.dicomWebRead', role: 'roles/healthcare.dicomViewer' },
  DELETE: { permission: 'healthcare.dicomStores.dicomWebDelete', role: 'roles/healthcare.dicomEditor' },
}

/** Of an upload. Also said where Google reports failed instances under a status that looks like success. */
export const notAllStored =
  'Not every instance was stored: read the reasons in the answer (0008,1198); those that it names under 0008,1199 are stored. One that exists with other bytes is refused, and so is one of a study under deletion: do not delete it to send it again.'

/** Said of all services, where an upload needs no other word. */
const advice: Readonly<Record<number, string>> = {
  400: 'Google does not understand the request: check its query, Accept and Content-Type, and, of an upload, that each part is a DICOM instance.',
  404: 'What was asked for is not in this store: search for it, and check that this account is the store where it should be.',
  405: 'Google offers nothing of this kind there: check path and method against its DICOM conformance statement.',
  406: 'Google cannot answer in the form that Accept asks for: ask for transfer-syntax=* to get instances as they are stored, and for application/dicom+json otherwise.',
  408: 'Google waited too long for the request: check the line to Google, and send it again.',
  409: 'Something else is under way with this study or series, its deletion perhaps: send the request again when that has ended.',
  413: 'The request is larger than Google takes (10 MB, but for uploads): ask for less at once.',
  415: 'Google does not take this Content-Type: send multipart/related with type="application/dicom".',
  416: 'The range that was asked for is not in the resource: ask for all of it.',
  429: "Google limits the rate: send less at once, or ask Google for a higher quota of this project's Cloud Healthcare API.",
  501: 'Google does not offer this: ask for it in another way.',
  502: 'Google failed, or an outgoing proxy on the way to it: send the request again later, and look at status.cloud.google.com if it stays so.',
  503: 'Google is busy, or was not done in the time that it allows: send the request again later, and less at once.',
  504: 'Google was not done in the time that it allows: send the request again later, and less at once.',
}

/** After a failure that says nothing of what was stored before it. */
const searchFirst = ' Instances may have been stored: search for them before you send them again.'

/** One sentence or two on what to do about a refusal of Google's. */
export function adviceFor(status: number, service: DicomWebService): string {
  if (status === 403) return grant(service)
  if (service === 'STOW-RS' && status === 409) return notAllStored
  const general = advice[status] ?? (status < 500 ? otherRefusal : otherFailure)
  return service === 'STOW-RS' && status >= 500 && status !== 501 ? general + searchFirst : general
}

const otherFailure = 'Google failed: send the request again later, and look at status.cloud.google.com if it stays so.'
const otherRefusal = "Google refuses the request: correct it by Google's own words in the answer."

/** Google says 403 of a store that does not exist, too. */
function grant(service: DicomWebService): string {
  const { permission, role } = permissions[service]
  return `Google refuses: ${service} needs the permission ${permission}; grant the account's identity ${role} on this store, and check Project, Location, Dataset and DicomStore, for a store that does not exist is refused, too.`
}

/** What to do about an answer that ended before its end. */
export const adviceForAborted: Readonly<Record<'client' | 'upstream' | 'proxy', string>> = {
  client:
    "The client closed the connection before it had the whole answer, or read it more slowly than DicomWebProxy.Timeouts allows (Idle, MinBodyRate): if it was not a person who cancelled, check the network between it and this proxy, and raise the client's time limit (Timeout and HttpTimeout in Orthanc).",
  upstream:
    "Google's answer broke off, and so the client's connection was broken as well, lest a part look whole: send the request again, and check firewall and outgoing proxy if it stays so.",
  proxy:
    'The proxy was told to end, and the grace was over before the transfer: send it again, and raise ShutdownGrace if transfers take longer.',
}
