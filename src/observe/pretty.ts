import { Writable } from 'node:stream'
import { styleText } from 'node:util'
import { shownText } from '../outside-words.ts'

interface Terminal {
  write(text: string): unknown
}

type Style = Parameters<typeof styleText>[0]
type Paint = (style: Style, text: string) => string

const levels: Readonly<Record<string, { word: string; style: Style }>> = {
  debug: { word: 'debug', style: 'gray' },
  info: { word: 'info ', style: 'green' },
  warn: { word: 'WARN ', style: 'yellow' },
  error: { word: 'ERROR', style: 'red' },
  fatal: { word: 'FATAL', style: 'red' },
}

/** Fields printed on lines of their own, below. */
const multiLineFields = ['detail', 'reason', 'problem', 'remedy', 'googleMessage']

/** Formats a logger's JSON lines for a terminal. */
export function prettyDestination(terminal: Terminal & NodeJS.WritableStream): Writable {
  // Respects NO_COLOR and the terminal's capabilities.
  const paint: Paint = (style, text) => styleText(style, text, { stream: terminal })
  return new Writable({
    decodeStrings: false,
    write(chunk, _encoding, done) {
      for (const line of String(chunk).split('\n')) if (line !== '') terminal.write(`${prettyLine(line, paint)}\n`)
      done()
    },
  })
}

/** One log line for people: time, level, message and fields. */
export function prettyLine(line: string, paint: Paint = (_style, text) => text): string {
  const { level, time, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>
  const { word, style } = levels[String(level)] ?? { word: String(level), style: 'white' }
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined)
  const short = given.filter(([name]) => !multiLineFields.includes(name))
  const below = given.filter(([name]) => multiLineFields.includes(name))
  const head = [paint('gray', timeOfDay(time)), paint(style, word), shownText(String(msg))]
  const behind = short.map(([name, value]) => `${paint('gray', `${name}=`)}${valueText(value)}`)
  const more = below.map(([name, value]) => `\n         ${paint('gray', `${name}:`)} ${shownText(String(value))}`)
  const failure = err === undefined ? '' : `\n         ${shownText(JSON.stringify(err))}`
  return `${[...head, ...behind].join(' ')}${more.join('')}${failure}`
}

/** In the reader's time zone. */
function timeOfDay(time: unknown): string {
  const at = new Date(String(time))
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, '0')).join(':')
}

function valueText(value: unknown): string {
  if (typeof value === 'string' && /^[^\s"=]+$/.test(value)) return shownText(value)
  return shownText(JSON.stringify(value))
}
