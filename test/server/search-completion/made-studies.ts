/** One attribute in DICOM JSON. */
export interface Attribute {
  readonly vr: string
  readonly Value?: readonly unknown[]
}

export type DataSet = Readonly<Record<string, Attribute>>

/** An instance of a study for searches: it has no pixels. */
export interface MadeInstance {
  readonly study: string
  readonly series: string
  readonly instance: string
  readonly modality?: string
  readonly more?: DataSet
}

export function dataSetOf({ study, series, instance, modality = 'OT', more = {} }: MadeInstance): DataSet {
  return {
    '00020010': { vr: 'UI', Value: ['1.2.840.10008.1.2.1'] },
    '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
    '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
    '00080018': { vr: 'UI', Value: [instance] },
    '00080060': { vr: 'CS', Value: [modality] },
    '0020000D': { vr: 'UI', Value: [study] },
    '0020000E': { vr: 'UI', Value: [series] },
    ...more,
  }
}

/** What a STOW-RS request of these instances needs, for `fetch`: DICOM JSON without bulk data. */
export function stowOfJson(instances: readonly MadeInstance[]) {
  const type = 'application/dicom+json'
  const body = `--b\r\nContent-Type: ${type}\r\n\r\n${JSON.stringify(instances.map(dataSetOf))}\r\n--b--`
  return {
    method: 'POST',
    headers: { 'content-type': `multipart/related; type="${type}"; boundary=b`, accept: type },
    body,
  }
}

/** A study of one instance per modality, each in a series of its own. */
export function study(number: number, modalities: readonly string[], more: DataSet): MadeInstance[] {
  return modalities.map((modality, at) => ({
    study: `1.2.${number}`,
    series: `1.2.${number}.${at + 1}`,
    instance: `1.2.${number}.${at + 1}.1`,
    modality,
    more,
  }))
}

export const text = (vr: string, ...values: readonly (string | number)[]): Attribute => ({ vr, Value: values })
export const name = (Alphabetic: string, more: object = {}): Attribute => ({
  vr: 'PN',
  Value: [{ Alphabetic, ...more }],
})
