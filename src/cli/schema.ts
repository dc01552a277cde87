import { schemaText } from '../config/schema.ts'
import { type ExitCode, exitCode } from './exit-code.ts'

/** Prints the JSON Schema of the configuration. */
export async function schema(): Promise<ExitCode> {
  process.stdout.write(schemaText())
  return exitCode.ok
}
