/** `npm run dictionary`: creates the emulator's dictionary again, after an update of dcmjs. */
import { writeFileSync } from 'node:fs'
import { dictionaryFile, dictionarySource } from './dictionary-source.ts'

writeFileSync(dictionaryFile, dictionarySource())
