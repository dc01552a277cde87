import { renameSync } from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Behavior } from '../behavior.ts'
import { withFile } from '../dicom/byte-source.ts'
import { DataSetError } from '../dicom/data-set-reader.ts'
import { type DataSet, textOf } from '../dicom/dicom-json.ts'
import { deflated, readDataSet, readFileMeta, writeInflated } from '../dicom/part10.ts'
import type { Level } from './searchable.ts'
import { sameBytes } from './stored-file.ts'

/** What names an instance in a store. */
export interface InstanceUids {
  readonly study: string
  readonly series: string
  readonly instance: string
}

export interface Instance extends InstanceUids {
  readonly sopClass: string
  readonly transferSyntax: string
  /** Path of the file exactly as it was received. */
  readonly file: string
  /** Path of the file that bulk values lie in: the same, or that file inflated. */
  readonly plainFile: string
  readonly size: number
  readonly dataSet: DataSet
}

export interface Stored {
  readonly uids: InstanceUids
  readonly sopClass: string
  /** Why it was not stored, in words; undefined when the instance is in the store now. */
  readonly failure?: string
}

/** How instances are taken. */
export interface Storing extends Pick<Behavior, 'duplicates'> {
  readonly study?: string
}

interface Deleting extends Partial<Pick<Behavior, 'searchLag'>> {
  readonly spared?: number
}

/** A part of a store's content: a study, a series, an instance, or with no UID all of it. */
export type Scope = Partial<InstanceUids>

/** One DICOM store: files in a folder, and an index of their data sets in memory. */
export class DicomStore {
  readonly name: string
  readonly folder: string
  readonly #instances = new Map<string, Instance>()
  /**
   * Studies and series under deletion: nothing can be stored into them (Google's "Deleting a
   * study").
   */
  #opened: Promise<void> | undefined
  readonly #locked = new Set<Scope>()
  /** Deleted instances that searches for studies and series still find, and until when. */
  readonly #lagging = new Map<string, { readonly instance: Instance; readonly until: number }>()

  constructor(name: string, folder: string) {
    this.name = name
    this.folder = folder
  }

  /**
   * Makes the folder, and takes up what an earlier emulator left in it; once, however often it is
   * called.
   */
  open(): Promise<void> {
    this.#opened ??= this.#takeUp()
    return this.#opened
  }

  async #takeUp(): Promise<void> {
    await mkdir(this.folder, { recursive: true })
    for (const entry of await readdir(this.folder)) {
      const file = join(this.folder, entry)
      if (entry.startsWith('incoming-')) await rm(file)
      else if (entry.endsWith('.dcm')) this.#index(readInstance(file))
    }
  }

  /**
   * Takes a received file into the store, or removes it. With `study`, only instances of that study
   * are taken.
   */
  async store(received: string, { study, duplicates }: Storing): Promise<Stored> {
    const instance = await readOrRemove(received)
    if (typeof instance === 'string') {
      await removeFiles(received)
      return { uids: { study: '', series: '', instance: '' }, sopClass: '', failure: instance }
    }
    const failure = await this.#rejection(instance, received, study, duplicates)
    if (failure !== undefined) {
      await removeFiles(received)
      return { uids: instance, sopClass: instance.sopClass, failure }
    }
    const file = join(this.folder, fileName(instance))
    // Synchronous, so that the index never names a file that is not there.
    renameSync(received, file)
    const isInflated = instance.plainFile !== received
    if (isInflated) renameSync(instance.plainFile, inflatedOf(file))
    this.#index({ ...instance, file, plainFile: isInflated ? inflatedOf(file) : file })
    return { uids: instance, sopClass: instance.sopClass }
  }

  async #rejection(
    instance: Instance,
    received: string,
    study: string | undefined,
    duplicates: Behavior['duplicates'],
  ): Promise<string | undefined> {
    if (study !== undefined && study !== instance.study) return `the instance is not of study ${study}`
    if (this.#isLocked(instance)) return 'the study or series is being deleted'
    const existing = this.#instances.get(key(instance))
    if (!existing) return undefined
    if (duplicates === 'accepted' && (await sameBytes(existing.file, received))) return undefined
    return `instance ${instance.instance} already exists`
  }

  find(scope: Scope): Instance[] {
    if (scope.study && scope.series && scope.instance) {
      const instance = this.#instances.get(key(scope as InstanceUids))
      return instance ? [instance] : []
    }
    return [...this.#instances.values()].filter((instance) => within(instance, scope))
  }

  /** What a search finds: see `Behavior.searchLag`. */
  search(scope: Scope, level: Level): Instance[] {
    if (level === 'instances') return this.find(scope)
    for (const [name, { until }] of this.#lagging) if (until <= performance.now()) this.#lagging.delete(name)
    const lagging = [...this.#lagging.values()].map(({ instance }) => instance)
    return [...this.find(scope), ...lagging.filter((instance) => within(instance, scope))]
  }

  /** Lets searches find what there is. */
  settleSearches(): void {
    this.#lagging.clear()
  }

  /**
   * Stops any storing into the scope until `release` is called; false when it is under deletion
   * already.
   */
  lock(scope: Scope): { release(): void } | undefined {
    if ([...this.#locked].some((other) => overlaps(other, scope))) return undefined
    this.#locked.add(scope)
    return { release: () => this.#locked.delete(scope) }
  }

  /** `spared`: how many of the instances stay. */
  async delete(scope: Scope, { spared = 0, searchLag = 0 }: Deleting): Promise<number> {
    const instances = this.find(scope).slice(spared)
    const until = searchLag === 'until-settled' ? Number.POSITIVE_INFINITY : performance.now() + searchLag * 1000
    for (const instance of instances) {
      this.#instances.delete(key(instance))
      if (searchLag !== 0) this.#lagging.set(key(instance), { instance, until })
      await removeFiles(instance.file)
    }
    return instances.length
  }

  #isLocked(instance: Instance): boolean {
    return [...this.#locked].some((scope) => within(instance, scope))
  }

  #index(instance: Instance): void {
    this.#lagging.delete(key(instance))
    this.#instances.set(key(instance), instance)
  }
}

/** The instance, or in words why it is none. */
function read(file: string): Instance | string {
  try {
    return readInstance(file)
  } catch (cause) {
    if (cause instanceof DataSetError) return cause.message
    throw cause
  }
}

/** A fault of the reader's own leaves nothing behind, either. */
async function readOrRemove(received: string): Promise<Instance | string> {
  try {
    return read(received)
  } catch (cause) {
    await removeFiles(received)
    throw cause
  }
}

function readInstance(file: string): Instance {
  const meta = withFile(file, readFileMeta)
  const { transferSyntax } = meta
  const plainFile = transferSyntax === deflated ? inflatedOf(file) : file
  if (plainFile !== file) writeInflated(file, meta.dataSetAt, plainFile)
  const dataSet = withFile(plainFile, (source) => readDataSet(source, meta))
  const [study, series, instance] = ['0020000D', '0020000E', '00080018'].map((tag) => textOf(dataSet, tag))
  if (!isUid(study) || !isUid(series) || !isUid(instance)) throw new DataSetError('The file lacks a UID.')
  const sopClass = textOf(dataSet, '00080016')
  const size = withFile(file, (source) => source.size)
  return { study, series, instance, sopClass, transferSyntax, file, plainFile, size, dataSet }
}

function inflatedOf(file: string): string {
  return `${file}.inflated`
}

async function removeFiles(file: string): Promise<void> {
  for (const each of [file, inflatedOf(file)]) await rm(each, { force: true })
}

/** Below the URL of the store's `dicomWeb`. */
export function instanceUrl({ study, series, instance }: InstanceUids, webRoot: string): string {
  return `${webRoot}/studies/${study}/series/${series}/instances/${instance}`
}

function isUid(text: string | undefined): text is string {
  return text !== undefined && text.length <= 64 && /^[0-9]+(\.[0-9]+)*$/.test(text)
}

function within(instance: InstanceUids, { study, series, instance: sop }: Scope): boolean {
  return (
    (study === undefined || instance.study === study) &&
    (series === undefined || instance.series === series) &&
    (sop === undefined || instance.instance === sop)
  )
}

function overlaps(one: Scope, other: Scope): boolean {
  return one.study === other.study && (!one.series || !other.series || one.series === other.series)
}

function key({ study, series, instance }: InstanceUids): string {
  return `${study}/${series}/${instance}`
}

/** At most 3 * 64 + 6 characters, which every file system takes. */
function fileName({ study, series, instance }: InstanceUids): string {
  return `${study}_${series}_${instance}.dcm`
}
