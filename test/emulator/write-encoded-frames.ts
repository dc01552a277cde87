/** `npm run encoded-frames`: encodes the examples' images again, after a change of what they show. */
import { writeFileSync } from 'node:fs'
import { encodedFramesFile, encodedFramesSource } from './encoded-frames-source.ts'

writeFileSync(encodedFramesFile, await encodedFramesSource())
