// What a viewer reads of the DICOM JSON Model (PS3.18, F).

/** @typedef {{ vr: string, Value?: any[], BulkDataURI?: string }} Element */
/** @typedef {Record<string, Element>} DataSet */

export const tags = {
  transferSyntax: '00020010',
  studyDate: '00080020',
  modality: '00080060',
  studyDescription: '00081030',
  seriesDescription: '0008103E',
  patientName: '00100010',
  patientId: '00100020',
  frameTime: '00181063',
  studyUid: '0020000D',
  seriesUid: '0020000E',
  seriesNumber: '00200011',
  instanceNumber: '00200013',
  instanceUid: '00080018',
  frames: '00280008',
  rows: '00280010',
  windowCenter: '00281050',
  windowWidth: '00281051',
  windowName: '00281055',
  document: '00420011',
}

/**
 * @param {DataSet} dataSet
 * @param {string} tag
 * @returns {string}
 */
export function text(dataSet, tag) {
  return String(dataSet[tag]?.Value?.[0] ?? '')
}

/**
 * @param {DataSet} dataSet
 * @param {string} tag
 * @returns {number[]}
 */
export function numbers(dataSet, tag) {
  return (dataSet[tag]?.Value ?? []).map(Number)
}

/**
 * All groups of a name, each as it is read: the ideographic and phonetic ones behind the first.
 *
 * @param {DataSet} dataSet
 * @param {string} tag
 */
export function personName(dataSet, tag) {
  const { Alphabetic = '', Ideographic = '', Phonetic = '' } = dataSet[tag]?.Value?.[0] ?? {}
  const groups = [Alphabetic, Ideographic, Phonetic].filter((group) => group !== '')
  return groups.map((group) => group.replaceAll('^', ' ')).join(' · ')
}

/** @param {string} date YYYYMMDD */
export function shownDate(date) {
  return date.replace(/^(\d{4})(\d\d)(\d\d)$/, '$1-$2-$3')
}
