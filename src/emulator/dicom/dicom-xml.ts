import { type DataSet, type Element, isDataSet, isPersonName, type PersonName, type Value } from './dicom-json.ts'
import { keywordOf } from './dictionary.ts'

/** The Native DICOM Model (PS3.19, A.1) of a data set. */
export function toXml(dataSet: DataSet): string {
  const body = attributes(dataSet)
  return `<?xml version="1.0" encoding="UTF-8"?>\n<NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">${body}</NativeDicomModel>\n`
}

/** The private element in which Google says why an instance was not stored (dcmjs issue 249). */
const googleNames: Readonly<Record<string, string>> = { '00090097': ' keyword="FailureDetail" privateCreator="GOOGLE"' }

function attributes(dataSet: DataSet): string {
  return Object.entries(dataSet)
    .map(([tag, element]) => {
      const keyword = keywordOf(tag)
      const name = keyword ? ` keyword="${keyword}"` : (googleNames[tag] ?? '')
      return `<DicomAttribute tag="${tag}" vr="${element.vr}"${name}>${content(element)}</DicomAttribute>`
    })
    .join('')
}

function content(element: Element): string {
  if (element.BulkDataURI !== undefined) return `<BulkData uri="${escapeXml(element.BulkDataURI)}"/>`
  if (element.InlineBinary !== undefined) return `<InlineBinary>${element.InlineBinary}</InlineBinary>`
  return (element.Value ?? []).map((value, index) => numbered(value, index + 1)).join('')
}

function numbered(value: Value, number: number): string {
  if (value === null) return `<Value number="${number}"/>`
  if (isDataSet(value)) return `<Item number="${number}">${attributes(value)}</Item>`
  if (isPersonName(value)) return `<PersonName number="${number}">${personName(value)}</PersonName>`
  return `<Value number="${number}">${escapeXml(String(value))}</Value>`
}

function personName(name: PersonName): string {
  const parts = ['FamilyName', 'GivenName', 'MiddleName', 'NamePrefix', 'NameSuffix']
  return Object.entries(name)
    .map(([group, text]: [string, string]) => {
      const components = text.split('^').map((component, index) => element(parts[index], component))
      return `<${group}>${components.join('')}</${group}>`
    })
    .join('')
}

function element(name: string | undefined, text: string): string {
  return name === undefined || text === '' ? '' : `<${name}>${escapeXml(text)}</${name}>`
}

/** Also drops what XML 1.0 cannot carry at all. */
function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '<': '&lt;', '>': '&gt;', '&': '&amp;', '"': '&quot;' }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to drop
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '').replace(/[<>&"]/g, (c) => entities[c] ?? c)
}
