import { isIPv4, isIPv6 } from 'node:net'
import { type Alert, alertOf } from './alert.ts'
import { type ActivityRecord, type AuditRecord, outcomeText, type RequestRecord } from './audit-record.ts'
import { element } from './xml.ts'

/** How the messages identify the proxy. */
export interface AuditSource {
  /** Audit Source ID of this proxy at the repository. */
  readonly id: string
  readonly hostName: string
  readonly processId: string
}

/** Codes of DICOM PS3.16 CID 400 to 403 (PS3.15 A.5.1). */
const codes = {
  'Application Activity': '110100',
  'DICOM Instances Accessed': '110103',
  'DICOM Instances Transferred': '110104',
  'DICOM Study Deleted': '110105',
  Query: '110112',
  'Security Alert': '110113',
  'Application Start': '110120',
  'Application Stop': '110121',
  'Node Authentication': '110126',
  'Use of Restricted Function': '110132',
  Application: '110150',
  'Destination Role ID': '110152',
  'Source Role ID': '110153',
  'Study Instance UID': '110180',
  'SOP Class UID': '110181',
  'Node ID': '110182',
} as const

type Meaning = keyof typeof codes

/** Study Root Query/Retrieve Information Model - FIND (PS3.4 C.3), the model of QIDO-RS. */
const studyRootFind = '1.2.840.10008.5.1.4.1.2.2.1'

/**
 * Event Outcome Indicator (PS3.15 A.5.1). 12, a major failure of the system, doesn't occur here.
 */
type Indicator = 0 | 4 | 8

/**
 * The audit messages for a record (DICOM PS3.15 A.5), in XML. Requests that are no event of the
 * standard have none, for instance to a path outside DICOMweb. An upload with stored and failed
 * instances has two (A.5.2).
 */
export function auditMessages(record: AuditRecord, source: AuditSource): readonly string[] {
  if ('version' in record) return [activity(record, source)]
  const alert = alertOf(record)
  if (alert) return [securityAlert(record, alert, source)]
  if (record.audit !== 'request') return []
  switch (record.service) {
    case 'STOW-RS':
      return transfers(record, source)
    case 'WADO-RS':
      return retrieval(record, source)
    case 'QIDO-RS':
      return [query(record, source)]
    case 'DELETE':
      return [deletion(record, source)]
    default:
      return []
  }
}

function activity({ audit, time }: ActivityRecord, source: AuditSource): string {
  const type = audit === 'start' ? 'Application Start' : 'Application Stop'
  const proxy = participant({ id: source.id, alternative: source.processId, role: 'Application' })
  return message(event('Application Activity', 'E', time, 0, { type }), [proxy], source, [])
}

function securityAlert({ time }: AuditRecord, alert: Alert, source: AuditSource): string {
  const { type, description, client, user, addresses } = alert
  const nodes = addresses.map((address) =>
    element(
      'ParticipantObjectIdentification',
      { ParticipantObjectID: address, ParticipantObjectTypeCode: 2, ParticipantObjectTypeCodeRole: 13 },
      coded('ParticipantObjectIDTypeCode', 'Node ID'),
      element('ParticipantObjectName', {}, address),
    ),
  )
  const proxy = participant({ id: source.id, alternative: source.processId, role: 'Application' })
  const peers = addresses.slice(0, 1).flatMap((address) => requestors({ client, user, address }))
  return message(event('Security Alert', 'E', time, 4, { type, description }), [proxy, ...peers], source, nodes)
}

/**
 * One event each for stored instances, those that the store had already, and failed ones; several if
 * one message can't hold all UIDs.
 */
function transfers(record: RequestRecord, source: AuditSource): readonly string[] {
  const { stored = [], failed = [], instancesStored = stored.length, instancesFailed = failed.length } = record
  const { identical = [], instancesIdentical = identical.length } = record
  const alreadyThere = new Set(identical)
  const added = stored.filter((uid) => !alreadyThere.has(uid))
  if (instancesStored + instancesFailed === 0)
    return [transferred(record, source, indicatorOf(record), [study(record)])]
  const messages = (indicator: Indicator, parts: readonly Instances[], addition = '') =>
    parts.map((part) => transferred(record, source, indicator, [study(record, part)], addition))
  return [
    ...messages(0, partsOf(instancesStored - instancesIdentical, added)),
    ...messages(0, partsOf(instancesIdentical, identical), 'already stored, with the same bytes'),
    ...messages(4, partsOf(instancesFailed, failed)),
  ]
}

/** The known SOP Instance UIDs; `count` includes the others. */
interface Instances {
  readonly count: number
  readonly uids: readonly string[]
}

/**
 * UIDs per message: receivers must accept only 32,768 octets (PS3.15 A.6), and one UID takes up to
 * 84.
 */
const maxUids = 350

function partsOf(count: number, uids: readonly string[]): readonly Instances[] {
  const parts: Instances[] = []
  for (let at = 0; at < uids.length; at += maxUids) {
    const part = uids.slice(at, at + maxUids)
    parts.push({ count: part.length, uids: part })
  }
  const unnamed = count - uids.length
  return unnamed > 0 ? [...parts, { count: unnamed, uids: [] }] : parts
}

/** Metadata are accessed without a transfer of instances. HEAD transfers and shows nothing. */
function retrieval(record: RequestRecord, source: AuditSource): readonly string[] {
  if (record.method === 'HEAD') return []
  if (record.route?.endsWith('/metadata')) return [accessed(record, source, 'R')]
  return [transferred(record, source, indicatorOf(record), [study(record, namedBy(record))])]
}

function namedBy({ instance }: RequestRecord): Instances {
  return instance === undefined ? anonymous : { count: 1, uids: [instance] }
}

const anonymous: Instances = { count: 0, uids: [] }

function transferred(
  record: RequestRecord,
  source: AuditSource,
  indicator: Indicator,
  studies: string[],
  addition = '',
): string {
  const isUpload = record.service === 'STOW-RS'
  const participants = [
    ...requestors(record, isUpload ? 'Source Role ID' : 'Destination Role ID'),
    store(record, isUpload ? 'Destination Role ID' : 'Source Role ID'),
    participant({ id: source.id, alternative: source.processId, role: 'Application' }),
  ]
  const transfer = event(
    'DICOM Instances Transferred',
    isUpload ? 'C' : 'R',
    record.time,
    indicator,
    outcome(record, addition),
  )
  return message(transfer, participants, source, studies)
}

function query(record: RequestRecord, source: AuditSource): string {
  const participants = [
    ...requestors(record, 'Source Role ID'),
    store(record, 'Destination Role ID'),
    participant({ id: source.id, alternative: source.processId, role: 'Application' }),
  ]
  const asked = `${pathOf(record)}${record.query === undefined ? '' : `?${record.query}`}`
  const searched = element(
    'ParticipantObjectIdentification',
    { ParticipantObjectID: studyRootFind, ParticipantObjectTypeCode: 2, ParticipantObjectTypeCodeRole: 3 },
    coded('ParticipantObjectIDTypeCode', 'SOP Class UID'),
    element('ParticipantObjectQuery', {}, Buffer.from(asked).toString('base64')),
  )
  const studies = record.study === undefined ? [] : [study(record)]
  const found = event('Query', 'E', record.time, indicatorOf(record), outcome(record))
  return message(found, participants, source, [searched, ...studies])
}

/**
 * The standard has an event for a deleted study (A.5.3.8); series and instances are "accessed" to
 * delete them (A.5.3.6). A pending deletion is the same event without success, because it has no
 * event of its own, and must be found with the study.
 */
function deletion(record: RequestRecord, source: AuditSource): string {
  return accessed(record, source, 'D', record.series === undefined ? 'DICOM Study Deleted' : 'DICOM Instances Accessed')
}

function accessed(
  record: RequestRecord,
  source: AuditSource,
  action: 'R' | 'D',
  meaning: Meaning = 'DICOM Instances Accessed',
): string {
  const access = event(meaning, action, record.time, indicatorOf(record), outcome(record))
  return message(access, [...requestors(record), store(record)], source, [study(record, namedBy(record))])
}

function message(
  identification: string,
  participants: readonly string[],
  { id }: AuditSource,
  objects: readonly string[],
): string {
  const reporter = element(
    'AuditSourceIdentification',
    { AuditSourceID: id },
    element('AuditSourceTypeCode', { 'csd-code': 4 }),
  )
  const body = element('AuditMessage', {}, identification, ...participants, reporter, ...objects)
  return `<?xml version="1.0" encoding="UTF-8"?>${body}`
}

function event(
  meaning: Meaning,
  action: 'C' | 'R' | 'D' | 'E',
  time: string,
  indicator: Indicator,
  { type, description }: { type?: Meaning; description?: string },
): string {
  return element(
    'EventIdentification',
    { EventActionCode: action, EventDateTime: time, EventOutcomeIndicator: indicator },
    coded('EventID', meaning),
    type ? coded('EventTypeCode', type) : '',
    description ? element('EventOutcomeDescription', {}, description) : '',
  )
}

function outcome(record: RequestRecord, addition = ''): { description?: string } {
  const whole = record.outcome === 'succeeded' ? '' : outcomeText(record)
  return { description: [whole, addition].filter(Boolean).join(', ') }
}

function indicatorOf({ outcome }: RequestRecord): Indicator {
  return outcome === 'succeeded' ? 0 : outcome === 'failed' ? 8 : 4
}

/** The client, and the person for whom it says that it asks. */
function requestors(
  { client, user, address }: Pick<RequestRecord, 'client' | 'user' | 'address'>,
  role?: Meaning,
): readonly string[] {
  const peer = participant({ id: client ?? address, isRequestor: true, at: address, ...(role && { role }) })
  return user === undefined ? [peer] : [peer, participant({ id: user, isRequestor: true })]
}

function store({ account = '', store: url }: RequestRecord, role?: Meaning): string {
  return participant({ id: url ?? account, ...(url && { at: new URL(url).hostname }), ...(role && { role }) })
}

interface Participant {
  readonly id: string
  readonly alternative?: string
  readonly isRequestor?: boolean
  /** Address or host name. */
  readonly at?: string
  readonly role?: Meaning
}

function participant({ id, alternative, isRequestor = false, at, role }: Participant): string {
  const attributes = {
    UserID: id,
    AlternativeUserID: alternative,
    UserIsRequestor: String(isRequestor),
    NetworkAccessPointID: at,
    NetworkAccessPointTypeCode: at === undefined ? undefined : isIPv4(at) || isIPv6(at) ? 2 : 1,
  }
  return element('ActiveParticipant', attributes, role ? coded('RoleIDCode', role) : '')
}

function study({ study = '' }: RequestRecord, { count, uids }: Instances = anonymous): string {
  const instances = uids.map((uid) => element('Instance', { UID: uid }))
  const described = count === 0 ? '' : element('SOPClass', { NumberOfInstances: count }, ...instances)
  return element(
    'ParticipantObjectIdentification',
    { ParticipantObjectID: study || unknown, ParticipantObjectTypeCode: 2, ParticipantObjectTypeCodeRole: 3 },
    coded('ParticipantObjectIDTypeCode', 'Study Instance UID'),
    element('ParticipantObjectName', {}, study || unknown),
    element('ParticipantObjectDescription', {}, described),
  )
}

/** An upload to `/studies` names no study, and may contain several. */
const unknown = 'unknown'

function pathOf({ route = '', study = '', series = '', instance = '' }: RequestRecord): string {
  return route.replace('{study}', study).replace('{series}', series).replace('{instance}', instance)
}

function coded(name: string, meaning: Meaning): string {
  return element(name, { 'csd-code': codes[meaning], codeSystemName: 'DCM', originalText: meaning })
}
