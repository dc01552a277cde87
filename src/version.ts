import { readFileSync } from 'node:fs'

/**
 * The version of this package; its `package.json` is one folder up from here, in the source as in
 * the build.
 */
export const version = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version
