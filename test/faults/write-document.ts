/** `npm run faults`: writes docs/faults.md. */
import { writeFileSync } from 'node:fs'
import { documentText } from './document.ts'

writeFileSync(new URL('../../docs/faults.md', import.meta.url), documentText())
