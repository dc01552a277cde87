import { type DataSet, withBulkDataUris } from '../dicom/dicom-json.ts'
import type { Tag } from '../dicom/dictionary.ts'
import { type Instance, instanceUrl } from './dicom-store.ts'
import { isAvailable, type Level, returned } from './searchable.ts'

/**
 * One data set for each study, series or instance: everything that can be matched and asked for.
 * Made one at a time. The first instance stands for its study or series.
 */
export function* rowsOf(instances: readonly Instance[], level: Level, webRoot: string): Generator<DataSet> {
  const groups = Map.groupBy(instances, (instance) => keyOf(instance, level))
  for (const [first] of groups.values()) if (first) yield row(first, webRoot)
}

function keyOf({ study, series, instance }: Instance, level: Level): string {
  if (level === 'studies') return study
  return level === 'series' ? `${study}/${series}` : `${study}/${series}/${instance}`
}

function row(instance: Instance, webRoot: string): DataSet {
  const dataSet = withBulkDataUris(instance.dataSet, `${instanceUrl(instance, webRoot)}/bulkdata`)
  return { ...dataSet, '00080056': { vr: 'CS', Value: ['ONLINE'] } }
}

/** Of a row, what its level returns, and what was asked for. */
export function selectAttributes(row: DataSet, level: Level, fields: readonly (Tag | 'all')[]): DataSet {
  const wanted = (tag: Tag) =>
    fields.includes('all') ? isAvailable(tag, level) : returned[level].has(tag) || fields.includes(tag)
  const entries = Object.entries(row).filter(([tag]) => wanted(tag))
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}
