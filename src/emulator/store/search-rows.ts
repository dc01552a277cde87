import type { DataSet, Element, Value } from '../dicom/dicom-json.ts'
import { textOf } from '../dicom/dicom-json.ts'
import type { Tag } from '../dicom/dictionary.ts'
import type { Instance, Scope } from './dicom-store.ts'
import type { Level } from './search-query.ts'

/** What each level returns unasked (PS3.18, 10.6.3.3). */
const returned: Readonly<Record<Level, readonly Tag[]>> = {
  studies: tags(`00080005 00080020 00080030 00080050 00080056 00080061 00080090 00080201 00081190 00100010 00100020
    00100030 00100040 0020000D 00200010 00201206 00201208`),
  series: tags(`00080005 00080060 00080201 0008103E 00081190 0020000D 0020000E 00200011 00201209 00400244 00400245
    00400275`),
  instances: tags(`00080005 00080016 00080018 00080056 00080201 00081190 0020000D 0020000E 00200013 00280008 00280010
    00280011 00280100`),
}
const levels: readonly Level[] = ['studies', 'series', 'instances']

/** Attributes below the level searched: not even `all` returns them. */
const below: Readonly<Record<Level, readonly Tag[]>> = {
  studies: tags('00080016 00080018 0020000E 00080060 00200011 00200013 0008103E'),
  series: tags('00080016 00080018 00200013'),
  instances: [],
}

/**
 * One data set for each study, series or instance: everything that can be matched and asked. Made
 * one at a time.
 */
export function* rowsOf(instances: readonly Instance[], level: Level, webRoot: string): Generator<DataSet> {
  const groups = Map.groupBy(instances, (instance) => pathOf(instance, level))
  for (const [path, members] of groups) yield row(members, level, `${webRoot}/${path}`)
}

function pathOf({ study, series, instance }: Instance, level: Level): string {
  if (level === 'studies') return `studies/${study}`
  if (level === 'series') return `studies/${study}/series/${series}`
  return `studies/${study}/series/${series}/instances/${instance}`
}

/** The first instance stands for its study or series, with what is computed over all. */
function row(members: readonly Instance[], level: Level, url: string): DataSet {
  const dataSet: DataSet = {}
  for (const [tag, element] of Object.entries(members[0]?.dataSet ?? {})) {
    if (element.bulk === undefined && !below[level].includes(tag)) dataSet[tag] = element
  }
  dataSet['00080056'] = element('CS', ['ONLINE'])
  dataSet['00081190'] = element('UR', [url])
  if (level === 'studies') {
    dataSet['00080061'] = element(
      'CS',
      distinct(members, (instance) => textOf(instance.dataSet, '00080060')),
    )
    dataSet['00080062'] = element(
      'UI',
      distinct(members, ({ sopClass }) => sopClass),
    )
    dataSet['00201206'] = element('IS', [distinct(members, ({ series }) => series).length])
    dataSet['00201208'] = element('IS', [members.length])
  }
  if (level === 'series') dataSet['00201209'] = element('IS', [members.length])
  return dataSet
}

/**
 * Of a result, what the level returns, what the levels above it do where the path does not fix
 * them, and what was asked.
 */
export function selectAttributes(row: DataSet, level: Level, scope: Scope, asked: readonly string[]): DataSet {
  if (asked.includes('all')) return row
  const wanted = new Set<Tag>([...asked, ...returned[level]])
  for (const upper of levels.slice(firstFree(scope), levels.indexOf(level))) {
    for (const tag of returned[upper]) wanted.add(tag)
  }
  const entries = Object.entries(row).filter(([tag]) => wanted.has(tag))
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function firstFree({ study, series }: Scope): number {
  return study === undefined ? 0 : series === undefined ? 1 : 2
}

function distinct(members: readonly Instance[], of: (instance: Instance) => string): string[] {
  return [...new Set(members.map(of))].filter((value) => value !== '')
}

function element(vr: string, Value: Value[]): Element {
  return Value.length === 0 ? { vr } : { vr, Value }
}

function tags(list: string): Tag[] {
  return list.split(/\s+/)
}
