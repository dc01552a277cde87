import { Command, CommanderError } from 'commander'
import { describeError } from '../observe/serialize-error.ts'
import { shownLines } from '../outside-words.ts'
import { version } from '../version.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'

type RunCommand = (...words: never[]) => Promise<ExitCode>

/** Loaded when they are run: who serves needs neither the emulator nor its data dictionary. */
const commands = {
  serve: async (): Promise<RunCommand> => (await import('./serve.ts')).serve,
  check: async (): Promise<RunCommand> => (await import('./check.ts')).check,
  client: async (): Promise<RunCommand> => (await import('./client.ts')).client,
  demo: async (): Promise<RunCommand> => (await import('./demo.ts')).demo,
  emulator: async (): Promise<RunCommand> => (await import('./emulator.ts')).emulator,
  register: async (): Promise<RunCommand> => (await import('./register.ts')).register,
  schema: async (): Promise<RunCommand> => (await import('./schema.ts')).schema,
}

/** What commander calls for a command, with its arguments and options. */
type ActionOf = (name: keyof typeof commands) => (...words: unknown[]) => Promise<void>

/** Runs the command that the arguments name. Resolves with the exit code when the command has ended. */
export async function run(argv: readonly string[]): Promise<ExitCode> {
  let result: ExitCode = exitCode.ok
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
    .addHelpText('after', programHelp)
  addServe(program, actionOf('serve'))
  addCheck(program, actionOf('check'))
  addRegister(program, actionOf('register'))
  addClient(program, actionOf('client'))
  addDemo(program, actionOf('demo'))
  addEmulator(program, actionOf('emulator'))
  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for editors that check files')
    .addHelpText('after', schemaHelp)
    .action(actionOf('schema'))
  return program
}

const programHelp = `
Each command has a manual of its own: gcp-dicomweb-proxy COMMAND --help

Examples, from the first look to the service:
  gcp-dicomweb-proxy demo --once
  gcp-dicomweb-proxy check --config /etc/orthanc/
  gcp-dicomweb-proxy --config /etc/orthanc/
  gcp-dicomweb-proxy register --config /etc/orthanc/ --orthanc http://127.0.0.1:8042
`

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

function addCheck(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('check')
    .description('look whether all works, and say of what does not why, and what mends it')
    .argument('[stores...]', 'DICOM stores, as for serve')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--offline', 'look at the configuration and its files only')
    .option(
      '--orthanc <url>',
      'look at this Orthanc, too: http://127.0.0.1:8042 (default: that of DicomWebProxy.Orthanc)',
    )
    .option('--user <name>', 'a user of that Orthanc, where it wants a login')
    .option('--orthanc-ca <file>', "authority of Orthanc's own certificate, PEM")
    .option('--proxy-url <url>', 'how Orthanc reaches the proxy (default: PublicUrl, else the address of Listen)')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', checkHelp)
    .action(action)
}

const checkHelp = `
Looks at the configuration, the credentials, the way to Google (names, outgoing proxy, TLS), the clock and, for
each account, token, scope, store, permissions and a search with limit=1. It uses the same connections as the
proxy, changes nothing, and prints no secret and nothing of a patient. Run it as the user that the proxy runs as.
With --orthanc: does it answer, and does its DICOMweb server for each account lead here, with time enough? A
password of --user is read from the variable GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD, or from standard input.

Examples:
  gcp-dicomweb-proxy check --config /etc/orthanc/
  gcp-dicomweb-proxy check --config /etc/orthanc/ --orthanc http://127.0.0.1:8042
  gcp-dicomweb-proxy check --config /etc/orthanc/ --json

Exit codes: 0 all is well. Else the first of these that failed: 2 configuration, 3 way to Google, 4 clock,
5 credential or token, 6 store, 7 Orthanc. 1 for anything else.
`

function addRegister(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('register')
    .description('make each account a DICOMweb server of a running Orthanc')
    .argument('[stores...]', 'DICOM stores, as for serve')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--orthanc <url>', 'the Orthanc: http://127.0.0.1:8042 (default: that of DicomWebProxy.Orthanc)')
    .option('--user <name>', 'a user of that Orthanc, where it wants a login')
    .option('--orthanc-ca <file>', "authority of Orthanc's own certificate, PEM")
    .option('--client <name>', 'the client of the proxy as which Orthanc logs in')
    .option('--proxy-url <url>', 'how Orthanc reaches the proxy (default: PublicUrl, else the address of Listen)')
    .option('--timeout <seconds>', 'that Orthanc allows one transfer in all (default 600)')
    .option('--dry-run', 'only show what would be changed')
    .option('--print', 'print the section DicomWeb.Servers for orthanc.json instead; asks no Orthanc')
    .addHelpText('after', registerHelp)
    .action(action)
}

const registerHelp = `
Compares Orthanc's DICOMweb servers with the accounts, shows what differs, writes what differs by Orthanc's REST
interface, and looks at it again. A second run changes nothing. Other servers are left alone.

Passwords are never options, because others can read those. That of --user is read from the variable
GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD, that of --client from GCP_DICOMWEB_PROXY_CLIENT_PASSWORD; what is not there
is asked for on a terminal, or read from standard input, a line each in this order.

Examples:
  gcp-dicomweb-proxy register --config /etc/orthanc/ --orthanc http://127.0.0.1:8042 --dry-run
  gcp-dicomweb-proxy register --config /etc/orthanc/ --orthanc https://pacs:8042 --user admin --client radiology
  gcp-dicomweb-proxy register --config /etc/orthanc/ --print

Exit codes: 0 fine, 2 bad usage or configuration, 7 Orthanc can't be reached, or refuses. 1 for anything else.
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

const schemaHelp = `
Example:
  gcp-dicomweb-proxy schema > schema.json
`

function explain(error: unknown): ExitCode {
  // Commander has printed its own errors; help and version end that way, too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage
  if (error instanceof CommandFailure) {
    process.stderr.write(`${shownLines(error.message)}\n`)
    return error.exitCode
  }
  process.stderr.write(`Unexpected failure, please report it: ${describeError(error)}\n`)
  return exitCode.failure
}
