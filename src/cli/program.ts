import { Command, CommanderError } from 'commander'
import { describeError } from '../observe/harmless-error.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'
import { version } from './version.ts'

type RunCommand = (...words: never[]) => Promise<ExitCode>

/** Loaded when they are run: who serves needs neither the emulator nor its dictionary of DICOM attributes. */
const commands = {
  serve: async (): Promise<RunCommand> => (await import('./serve.ts')).serve,
  client: async (): Promise<RunCommand> => (await import('./client.ts')).client,
  demo: async (): Promise<RunCommand> => (await import('./demo.ts')).demo,
  emulator: async (): Promise<RunCommand> => (await import('./emulator.ts')).emulator,
  schema: async (): Promise<RunCommand> => (await import('./schema.ts')).schema,
}

/** What commander calls for a command, with its arguments and options. */
type ActionOf = (name: keyof typeof commands) => (...words: unknown[]) => Promise<void>

/** Runs the command that the arguments name. Resolves with the exit code when the command has ended. */
export async function run(argv: readonly string[]): Promise<ExitCode> {
  let result: ExitCode = exitCode.fine
  const actionOf: ActionOf =
    (name) =>
    async (...words) => {
      const command = await commands[name]()
      result = await command(...(words as never[]))
    }
  try {
    await createProgram(actionOf).parseAsync(argv, { from: 'user' })
    return result
  } catch (error) {
    return explain(error)
  }
}

function createProgram(actionOf: ActionOf): Command {
  const program = new Command('gcp-dicomweb-proxy')
    .description("Lets Orthanc's DICOMweb plugin send to, search and fetch from Google Cloud DICOM stores.")
    .version(version)
    .exitOverride()
    .showHelpAfterError('(add --help for the manual)')
  addServe(program, actionOf('serve'))
  addClient(program, actionOf('client'))
  addDemo(program, actionOf('demo'))
  addEmulator(program, actionOf('emulator'))
  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors that check files')
    .action(actionOf('schema'))
  return program
}

function addServe(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('serve', { isDefault: true })
    .description('run the proxy; without another command this one is meant')
    .argument('[stores...]', 'DICOM stores, NAME=projects/P/locations/L/datasets/D/dicomStores/S')
    .option('-c, --config <file or folder>', 'the configuration: an orthanc.json, or a folder of *.json files')
    .option('--listen <address:port>', 'where Orthanc connects to (default 127.0.0.1:8043)')
    .option('--admin-listen <address:port>', 'where /healthz and /readyz are (default 127.0.0.1:8044)')
    .addHelpText('after', serveHelp)
    .action(action)
}

const serveHelp = `
The configuration may also be named by the variable GCP_DICOMWEB_PROXY_CONFIG. An orthanc.json that was
written for the Orthanc GCP plugin works as it is. Stores on the command line use Application Default
Credentials (GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, or the machine's service account).
A configuration that has changed is put in force by itself, or at once on SIGHUP; the log says what became of it.

Examples:
  gcp-dicomweb-proxy --config /etc/orthanc/
  gcp-dicomweb-proxy my-google=projects/hospital/locations/europe-west4/datasets/radiology/dicomStores/archive

Exit codes: 0 fine, 1 failure, 2 bad usage or configuration, 130 and 143 ended by SIGINT and SIGTERM.
`

function addClient(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('client')
    .description('make the entry of a client, who may then log in: for DicomWebProxy.Clients or ClientsFile')
    .argument('<name>', 'of the client; for HTTP Basic, the user name')
    .option('--allow <account=services...>', 'what the client may do, such as my-google=STOW-RS,QIDO-RS')
    .option('--generate', 'make a strong password instead of asking for one')
    .option('--token', 'make a bearer token instead of a password')
    .option('--certificate <file>', 'know the client by the subject of this certificate (PEM) instead')
    .addHelpText('after', clientHelp)
    .action(action)
}

const clientHelp = `
The entry goes to standard output, with a hash and never the secret itself. The password is asked for on a
terminal, without echo, or read from standard input; there is no option for it, because others can read those.
A password or token that is made is shown once, on standard error.

Example:
  gcp-dicomweb-proxy client radiology --generate --allow my-google=STOW-RS,QIDO-RS,WADO-RS
`

function addDemo(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('demo')
    .description('show the main job on this machine: Orthanc, the proxy, and a stand-in for Google')
    .option('--once', 'end after the round trip; exit code 0 if all of it worked, else 1')
    .addHelpText('after', demoHelp)
    .action(action)
}

const demoHelp = `
Needs no Google account. Where Orthanc and its DICOMweb plugin are installed, a real Orthanc takes part.

Example:
  gcp-dicomweb-proxy demo --once
`

function addEmulator(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('emulator')
    .description('run the stand-in for Google alone: token endpoints and a DICOM store, for tests and trials')
    .option('--port <port>', 'TCP port on 127.0.0.1', '8045')
    .option('--folder <folder>', 'where instances and the generated credential files go (default: a temporary folder)')
    .option('--store <name...>', 'DICOM stores, projects/P/locations/L/datasets/D/dicomStores/S')
    .addHelpText('after', emulatorHelp)
    .action(action)
}

const emulatorHelp = `
Keys and credential files are made anew at each start. The proxy reaches it with the BaseUrl and TokenUrl that
are printed. Never give it data of a real patient: anyone on this machine can read what it holds.

Example:
  gcp-dicomweb-proxy emulator --port 8045 --folder ./emulator
`

function explain(error: unknown): ExitCode {
  // Commander has printed its own errors; help and version end that way, too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.fine : exitCode.usage
  if (error instanceof CommandFailure) {
    process.stderr.write(`${error.message}\n`)
    return error.exitCode
  }
  process.stderr.write(`Unexpected failure, please report it: ${describeError(error)}\n`)
  return exitCode.failure
}
