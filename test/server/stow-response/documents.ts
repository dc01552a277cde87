import type { InstanceCounts } from '../../../src/observe/request-event.ts'

export interface Item {
  readonly uid: string
  readonly sequence: '00081198' | '00081199' | '0008119A'
  readonly warning?: boolean
}

type Element = { vr: string; Value?: unknown[] }
type DataSet = Record<string, Element>

/** A store response (PS3.18 I.2) as a server would write it, in either form. */
export function documentsOf(items: readonly Item[]): { json: string; xml: string } {
  const response: DataSet = { '00081190': { vr: 'UR', Value: ['http://127.0.0.1/studies/1.2.3'] } }
  for (const sequence of ['00081198', '00081199', '0008119A'] as const) {
    const own = items.filter((item) => item.sequence === sequence)
    if (own.length > 0 || sequence === '00081199') response[sequence] = { vr: 'SQ', Value: own.map(dataSetOf) }
  }
  return { json: JSON.stringify(response), xml: xmlOf(response) }
}

function dataSetOf({ uid, sequence, warning }: Item): DataSet {
  const nested = { vr: 'SQ', Value: [{ '00081155': text('UI', '9.9.9'), '00081196': { vr: 'US', Value: [1] } }] }
  return {
    '00081150': text('UI', '1.2.840.10008.5.1.4.1.1.7'),
    // Nested items have a UID and a reason, too: not this instance's. Before and after, to be sure.
    '00081140': nested,
    ...(sequence !== '0008119A' && { '00081155': text('UI', uid) }),
    ...(sequence !== '00081199' && { '00081197': { vr: 'US', Value: [272] } }),
    ...(warning ? { '00081196': { vr: 'US', Value: [45056] } } : { '00081196': { vr: 'US' } }),
    '0008119C': nested,
    '00080005': text('CS', 'ISO_IR 192'),
    '00081030': text('LO', '] } , " é 日本 😀 <&> [ {'),
  }
}

function text(vr: string, value: string): Element {
  return { vr, Value: [value] }
}

function xmlOf(response: DataSet): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">${attributes(response)}</NativeDicomModel>\n`
}

function attributes(dataSet: DataSet): string {
  return Object.entries(dataSet)
    .map(
      ([tag, { vr, Value = [] }]) =>
        `<DicomAttribute tag="${tag}" vr="${vr}">${Value.map(value).join('')}</DicomAttribute>`,
    )
    .join('\n  ')
}

function value(one: unknown, at: number): string {
  if (typeof one === 'object') return `<Item number="${at + 1}">${attributes(one as DataSet)}</Item>`
  const escaped = String(one).replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<Value number="${at + 1}">${escaped}</Value>`
}

export function countsOf(items: readonly Item[]): InstanceCounts {
  const stored = items.filter(({ sequence }) => sequence === '00081199')
  return { stored: stored.length, failed: items.length - stored.length, warned: stored.filter((i) => i.warning).length }
}
