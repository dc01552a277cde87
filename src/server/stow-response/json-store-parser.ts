import { Tokenizer } from '@streamparser/json'
import type { InstanceCounter } from './instance-counter.ts'
import { type JsonPath, JsonWalk } from './json-walk.ts'

/**
 * Parses a store response in the DICOM JSON Model (PS3.18 F.2), piece by piece. Both methods throw
 * for anything else.
 */
export class JsonStoreParser {
  readonly #tokenizer = new Tokenizer()
  readonly #walk: JsonWalk

  constructor(counter: InstanceCounter) {
    this.#walk = new JsonWalk({
      beginObject: (path) => {
        if (path.length === 1) counter.attribute(path[0] ?? '')
        else if (isItem(path)) counter.beginItem(path[0] ?? '')
      },
      endObject: (path) => {
        if (isItem(path)) counter.endItem(path[0] ?? '')
      },
      scalar: (path, value) => {
        if (isValueOfItem(path) && value !== null) counter.value(path[3] ?? '', String(value))
      },
    })
    this.#tokenizer.onToken = ({ token, value }) => this.#walk.token(token, value)
  }

  push(chunk: Buffer): void {
    this.#tokenizer.write(chunk)
  }

  end(): void {
    this.#tokenizer.end()
    if (!this.#walk.isWhole) throw new Error('Incomplete JSON')
  }
}

/** Such as `00081199.Value[]`. */
function isItem(path: JsonPath): boolean {
  return path.length === 3 && path[1] === 'Value' && path[2] === '[]'
}

/** Such as `00081199.Value[].00081155.Value[]`. */
function isValueOfItem(path: JsonPath): boolean {
  return path.length === 6 && path[1] === 'Value' && path[2] === '[]' && path[4] === 'Value' && path[5] === '[]'
}
