import { Command, CommanderError } from 'commander'
import { invocation } from '../invocation.ts'
import { describeError } from '../observe/serialize-error.ts'
import { shownLines } from '../outside-words.ts'
import { version } from '../version.ts'
import { CommandFailure, type ExitCode, exitCode } from './exit-code.ts'

type RunCommand = (...words: never[]) => Promise<ExitCode>

/** Loaded on demand: `serve` needs neither the emulator nor its data dictionary. */
const commands = {
  serve: async (): Promise<RunCommand> => (await import('./serve/serve.ts')).serve,
  check: async (): Promise<RunCommand> => (await import('./check/check.ts')).check,
  client: async (): Promise<RunCommand> => (await import('./client.ts')).client,
  compare: async (): Promise<RunCommand> => (await import('./compare/compare.ts')).compare,
  conformance: async (): Promise<RunCommand> => (await import('./conformance/conformance.ts')).conformance,
  demo: async (): Promise<RunCommand> => (await import('./demo/demo.ts')).demo,
  emulator: async (): Promise<RunCommand> => (await import('./emulator.ts')).emulator,
  health: async (): Promise<RunCommand> => (await import('./health.ts')).health,
  register: async (): Promise<RunCommand> => (await import('./register.ts')).register,
  schema: async (): Promise<RunCommand> => (await import('./schema.ts')).schema,
}

/** What commander calls for a command, with its arguments and options. */
type ActionOf = (name: keyof typeof commands) => (...words: unknown[]) => Promise<void>

/**
 * Runs the command that the arguments name. Resolves with the exit code when the command has ended.
 */
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
  const program = new Command(invocation)
    .description("Lets Orthanc's DICOMweb plugin send to, search and fetch from Google Cloud DICOM stores.")
    .version(version)
    .exitOverride()
    .showHelpAfterError('(add --help for usage)')
    .addHelpText('after', programHelp)
  addServe(program, actionOf('serve'))
  addCheck(program, actionOf('check'))
  addRegister(program, actionOf('register'))
  addClient(program, actionOf('client'))
  addCompare(program, actionOf('compare'))
  addConformance(program, actionOf('conformance'))
  addDemo(program, actionOf('demo'))
  addEmulator(program, actionOf('emulator'))
  addHealth(program, actionOf('health'))
  program
    .command('schema')
    .description('print the JSON Schema of the configuration, for use in editors')
    .addHelpText('after', schemaHelp)
    .action(actionOf('schema'))
  return program
}

const programHelp = `
Help for one command: ${invocation} COMMAND --help

Examples, from a first try to production:
  ${invocation} demo --once
  ${invocation} check --config /etc/orthanc/
  ${invocation} --config /etc/orthanc/
  ${invocation} register --config /etc/orthanc/ --orthanc http://127.0.0.1:8042
`

function addServe(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('serve', { isDefault: true })
    .description('run the proxy (default command)')
    .argument('[stores...]', 'DICOM stores, NAME=projects/P/locations/L/datasets/D/dicomStores/S')
    .option('-c, --config <file or folder>', 'the configuration: an orthanc.json, or a folder of *.json files')
    .option('--listen <address:port>', 'address for Orthanc and other clients (default 127.0.0.1:8043)')
    .option(
      '--admin-listen <address:port>',
      'address of the status page, /healthz, /readyz and /metrics (default 127.0.0.1:8044)',
    )
    .addHelpText('after', serveHelp)
    .action(action)
}

const serveHelp = `
The variable GCP_DICOMWEB_PROXY_CONFIG also names the configuration. An orthanc.json written for the Orthanc
GCP plugin works unchanged. Stores on the command line use Application Default Credentials
(GOOGLE_APPLICATION_CREDENTIALS, gcloud's login, or the machine's service account).
The proxy reloads a changed configuration by itself, or immediately on SIGHUP, and logs the result. SIGUSR2
restarts the program without an outage (docs/deployment.md says where).

Examples:
  ${invocation} --config /etc/orthanc/
  ${invocation} my-google=projects/hospital/locations/europe-west4/datasets/radiology/dicomStores/archive

Exit codes: 0 ok, 1 failure, 2 usage or configuration error, 130 SIGINT, 143 SIGTERM.
`

function addCheck(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('check')
    .description("check that everything works, and explain how to fix what doesn't")
    .argument('[stores...]', 'DICOM stores, as for serve')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--offline', 'check only the configuration and its files')
    .option('--orthanc <url>', 'also check this Orthanc: http://127.0.0.1:8042 (default: DicomWebProxy.Orthanc)')
    .option('--user <name>', 'user name for Orthanc, if it requires a login')
    .option('--orthanc-ca <file>', "CA certificate that signed Orthanc's certificate, PEM")
    .option('--proxy-url <url>', 'how Orthanc reaches the proxy (default: PublicUrl, else the address of Listen)')
    .option('--json', 'print the results as JSON')
    .addHelpText('after', checkHelp)
    .action(action)
}

const checkHelp = `
Checks the configuration, the credentials, the running proxy if there is one, the network path to Google (DNS,
outgoing proxy, TLS), the clock and, for each account, token, scope, store, permissions and a search with
limit=1. It connects exactly as the proxy does, changes nothing, and prints neither secrets nor patient data.
Run it as the proxy's user.
With --orthanc it also checks that Orthanc responds, and that its DICOMweb server for each account points to
this proxy with a long enough timeout. The password for --user is read from the variable
GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD, or from standard input.

Examples:
  ${invocation} check --config /etc/orthanc/
  ${invocation} check --config /etc/orthanc/ --orthanc http://127.0.0.1:8042
  ${invocation} check --config /etc/orthanc/ --json

Exit codes: 0 ok. Otherwise the first of these that failed: 2 configuration, 3 network path to Google, 4 clock,
5 credential or token, 6 store, 8 the running proxy, 7 Orthanc. 1 for any other failure.
`

function addRegister(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('register')
    .description('add each account to a running Orthanc as a DICOMweb server')
    .argument('[stores...]', 'DICOM stores, as for serve')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--orthanc <url>', "Orthanc's URL: http://127.0.0.1:8042 (default: DicomWebProxy.Orthanc)")
    .option('--user <name>', 'user name for Orthanc, if it requires a login')
    .option('--orthanc-ca <file>', "CA certificate that signed Orthanc's certificate, PEM")
    .option('--client <name>', 'proxy client that Orthanc logs in as')
    .option('--client-certificate <file>', "its certificate instead of a password: PEM, named as on Orthanc's machine")
    .option('--client-key <file>', "key of that certificate, without a passphrase, named as on Orthanc's machine")
    .option('--proxy-url <url>', 'how Orthanc reaches the proxy (default: PublicUrl, else the address of Listen)')
    .option('--timeout <seconds>', "Orthanc's limit for one whole transfer (default 600; a longer one stays)")
    .option('--dry-run', 'show the changes without making them')
    .option('--print', 'print the section DicomWeb.Servers for orthanc.json instead; contacts no Orthanc')
    .addHelpText('after', registerHelp)
    .action(action)
}

const registerHelp = `
Compares Orthanc's DICOMweb servers with the accounts, shows the differences, writes them through Orthanc's
REST API, and verifies the result. A second run changes nothing. Other servers are left alone.

Passwords are never options, because other users can read those. The password for --user is read from the
variable GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD, the one for --client from GCP_DICOMWEB_PROXY_CLIENT_PASSWORD. If
a variable is not set, you are asked on the terminal, or one line each is read from standard input, in this order.

Examples:
  ${invocation} register --config /etc/orthanc/ --orthanc http://127.0.0.1:8042 --dry-run
  ${invocation} register --config /etc/orthanc/ --orthanc https://pacs:8042 --user admin --client radiology
  ${invocation} register --config /etc/orthanc/ --print

Exit codes: 0 ok, 2 usage or configuration error, 7 Orthanc can't be reached, or rejects. 1 for any other failure.
`

function addClient(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('client')
    .description('create a client entry (password, token or certificate) for Clients or ClientsFile')
    .argument('<name>', 'name of the client; the user name for HTTP Basic')
    .option('--allow <account=services...>', 'what the client may do, such as my-google=STOW-RS,QIDO-RS')
    .option('--generate', 'generate a strong password instead of asking for one')
    .option('--token', 'generate a bearer token instead of a password')
    .option('--certificate <file>', 'identify the client by the subject of this certificate (PEM) instead')
    .addHelpText('after', clientHelp)
    .action(action)
}

const clientHelp = `
The entry goes to standard output, with a hash and never the secret itself. You are asked for the password on
the terminal, without echo, or it is read from standard input. It is not an option, because other users can
read those. A generated password or token is shown once, on standard error.

Example:
  ${invocation} client radiology --generate --allow my-google=STOW-RS,QIDO-RS,WADO-RS
`

function addCompare(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('compare')
    .description('compare what Orthanc has with what is at Google, and print how to send what is missing')
    .argument('[stores...]', 'DICOM stores, as for serve')
    .requiredOption('--account <name>', 'the account whose store is compared')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--orthanc <url>', "Orthanc's URL: http://127.0.0.1:8042 (default: DicomWebProxy.Orthanc)")
    .option('--user <name>', 'user name for Orthanc, if it requires a login')
    .option('--orthanc-ca <file>', "CA certificate that signed Orthanc's certificate, PEM")
    .option('--since <date>', 'only what Orthanc has received since then: 2026-11-28, or 2026-11-28T14:30')
    .option(
      '--server <name>',
      "Orthanc's DICOMweb server for the commands (default: the one that leads to the account)",
    )
    .option('--proxy-url <url>', 'how Orthanc reaches the proxy (default: PublicUrl, else the address of Listen)')
    .option('--json', 'print a JSON object for each study that differs, and one with the totals')
    .addHelpText('after', compareHelp)
    .action(action)
}

const compareHelp = `
Compares studies, series and instances by UID in both directions, and changes nothing. For each study that
differs it prints what is missing where, and the command that makes Orthanc send or retrieve it. It searches
Google directly, with the account's credential. The output names studies by their UIDs: it goes to standard
output only. The password for --user is read from the variable GCP_DICOMWEB_PROXY_ORTHANC_PASSWORD, or from
standard input.
With --since, Orthanc's studies count by when they were last received (LastUpdate), Google's by study date.

Examples:
  ${invocation} compare --config /etc/orthanc/ --account my-google --orthanc http://127.0.0.1:8042
  ${invocation} compare --config /etc/orthanc/ --account my-google --since 2026-11-27

Exit codes: 0 the same, 1 a difference or a failure (the last lines say which), 2 usage or configuration error,
130 SIGINT, 143 SIGTERM.
`

function addConformance(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('conformance')
    .description('try what the proxy relies on of Google, at a store for tests, and report what differs')
    .argument('[stores...]', 'DICOM stores, as for serve')
    .requiredOption('--account <name>', 'the account whose store is tried: a store for tests')
    .option('-c, --config <file or folder>', 'the configuration, as for serve')
    .option('--yes', 'do not ask before writing')
    .option('--json', 'print the results as JSON')
    .option('--report <file>', 'also write them into a file that can be sent to the project')
    .addHelpText('after', conformanceHelp)
    .action(action)
}

const conformanceHelp = `
Stores a few studies of a synthetic patient under UIDs of its own, searches, retrieves and deletes them, and
compares each response with what Google documents, what was recorded, or what was assumed. It removes them at
the end, also if it fails or is interrupted, and says what it could not remove. It touches nothing else. The
report contains no token, project, store, patient or UID.

Examples:
  ${invocation} conformance --config /etc/orthanc/ --account test
  ${invocation} conformance --config /etc/orthanc/ --account test --yes --report conformance.json

Exit codes: 0 everything that could be tried is as expected, 1 a difference or a failure, 2 usage or
configuration error, 130 SIGINT, 143 SIGTERM.
`

function addDemo(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('demo')
    .description('show a round trip on this machine: Orthanc, the proxy, and the Google emulator')
    .option('--once', 'stop after the round trip; exit code 0 if every step worked, else 1')
    .addHelpText('after', demoHelp)
    .action(action)
}

const demoHelp = `
Needs no Google account. If Orthanc and its DICOMweb plugin are installed, the demo starts a real Orthanc.
After the round trip it prints the address of a page that shows images through the proxy, in your browser.

Example:
  ${invocation} demo --once
`

function addEmulator(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('emulator')
    .description('run the Google emulator alone: token endpoints and a DICOM store, for tests')
    .option('--port <port>', 'TCP port on 127.0.0.1', '8045')
    .option('--folder <folder>', 'folder for instances and generated credential files (default: a temporary folder)')
    .option('--store <name...>', 'DICOM stores, projects/P/locations/L/datasets/D/dicomStores/S')
    .option('--fill <folder>', 'store the DICOM files of this folder, and of those in it, in the first store')
    .addHelpText('after', emulatorHelp)
    .action(action)
}

const emulatorHelp = `
Keys and credential files are generated at each start. Point the proxy at it with the printed BaseUrl and
TokenUrl. Never store real patient data in it: every user of this machine can read it.

--fill stores Part 10 files and says of each one that it skips why.

Examples:
  ${invocation} emulator --port 8045 --folder ./emulator
  ${invocation} emulator --fill ./test-images
`

function addHealth(program: Command, action: (...words: unknown[]) => Promise<void>): void {
  program
    .command('health')
    .description('ask the running proxy whether it is alive, or ready: a probe for containers')
    .option('-c, --config <file or folder>', 'the configuration, as for serve; only AdminListen and Tls are read')
    .option('--admin-listen <address:port>', 'address of the admin listener, if the proxy was started with it')
    .option('--ready', 'ask whether it is ready (as Readiness says), instead of whether it is alive')
    .option('--account <name>', 'ask whether this account is ready')
    .addHelpText('after', healthHelp)
    .action(action)
}

const healthHelp = `
Asks /healthz or /readyz of the admin listener, over TLS if that listener uses it, at an address of this machine.
A running proxy is alive even if its configuration file now has an error: it keeps the last one without.

Examples:
  ${invocation} health --config /etc/orthanc/
  ${invocation} health --config /etc/orthanc/ --ready
  ${invocation} health --config /etc/orthanc/ --account my-google

Exit codes: 0 alive or ready, 1 not, 2 usage error, or no response while the configuration has an error.
`

const schemaHelp = `
Example:
  ${invocation} schema > schema.json
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
