/** `npm run dictionary`: makes the emulator's dictionary anew, after an update of dcmjs. */
import { writeFileSync } from 'node:fs'
import { dictionaryFile, dictionarySource } from './dictionary-source.ts'

writeFileSync(dictionaryFile, dictionarySource())
