import { readdir } from 'node:fs/promises'
import { test } from 'tap'
import { partsOf } from './parts-of.ts'
import { startSession } from './session.ts'

const explicit = '1.2.840.10008.1.2.1'
const jpeg = '1.2.840.10008.1.2.4.50'
const json = 'application/dicom+json'
const octets = 'application/octet-stream'
const pixels = Buffer.from([1, 2, 3, 4, 5, 6])

type Json = Record<string, { vr: string; Value?: unknown[]; BulkDataURI?: string; InlineBinary?: string }>

function instanceOf(uid: string, more: Json = {}, syntax = explicit): Json {
  return {
    '00020010': { vr: 'UI', Value: [syntax] },
    '00080005': { vr: 'CS', Value: ['ISO_IR 192'] },
    '00080016': { vr: 'UI', Value: ['1.2.840.10008.5.1.4.1.1.7'] },
    '00080018': { vr: 'UI', Value: [uid] },
    '0020000D': { vr: 'UI', Value: ['1.20'] },
    '0020000E': { vr: 'UI', Value: ['1.30'] },
    ...more,
  }
}

const image: Json = {
  '00080008': { vr: 'CS', Value: ['ORIGINAL', 'PRIMARY'] },
  '00081140': { vr: 'SQ', Value: [{ '00081155': { vr: 'UI', Value: ['1.2.3'] } }] },
  '00100010': { vr: 'PN', Value: [{ Alphabetic: 'Zoë^Müller', Ideographic: '山田' }] },
  '00189073': { vr: 'FD', Value: [0.25] },
  '00200013': { vr: 'IS', Value: [7] },
  '00280009': { vr: 'AT', Value: ['00181063'] },
  '00280010': { vr: 'US', Value: [2] },
  '00280011': { vr: 'US', Value: [3] },
  '00280100': { vr: 'US', Value: [8] },
}

const withPixels = (uri = 'bulk/1'): Json => ({ ...image, '7FE00010': { vr: 'OW', BulkDataURI: uri } })

interface BodyPart {
  readonly type: string
  readonly location?: string
  readonly content: unknown
}

const metadata = (instances: unknown, type = json): BodyPart => ({ type, content: instances })
const bulk = (content: Buffer, location = 'bulk/1', type = octets): BodyPart => ({ type, location, content })

function bodyOf(parts: readonly BodyPart[]): Buffer {
  const written = parts.flatMap(({ type, location, content }) => [
    Buffer.from(`--b\r\nContent-Type: ${type}\r\n${location ? `Content-Location: ${location}\r\n` : ''}\r\n`),
    Buffer.isBuffer(content) ? content : Buffer.from(typeof content === 'string' ? content : JSON.stringify(content)),
    Buffer.from('\r\n'),
  ])
  return Buffer.concat([...written, Buffer.from('--b--')])
}

test('STOW-RS of JSON metadata with bulk data', async (t) => {
  const folder = t.testdir()
  const { request, json: get } = await startSession(t, { folder })
  const post = (...parts: BodyPart[]) => {
    const headers = { 'content-type': `multipart/related; type="${json}"; boundary=b`, accept: json }
    return request('/studies', { method: 'POST', headers, body: bodyOf(parts) })
  }
  const path = (uid: string) => `/studies/1.20/series/1.30/instances/${uid}`
  const frame = async (uid: string) => {
    const headers = { accept: `multipart/related; type="${octets}"; transfer-syntax=*` }
    return (await partsOf(await request(`${path(uid)}/frames/1`, { headers })))[0]
  }

  t.test('becomes instances, which are served like others', async (t) => {
    const instances = [instanceOf('1.40', withPixels()), instanceOf('1.41', image)]
    const response = await post(metadata(instances), bulk(pixels))
    t.equal(response.status, 200)
    t.match(await response.json(), { '00081199': { Value: [{}, {}] } })
    const [stored] = await get(`${path('1.40')}/metadata`)
    t.match(stored, image)
    t.match(stored, { '00020010': { Value: [explicit] }, '7FE00010': { vr: 'OW', BulkDataURI: /^http/ } })
    t.same(await frame('1.40'), pixels)
    t.match(await get(`${path('1.41')}/metadata`), [image])
  })

  t.test('with images that are compressed, and in Implicit VR', async (t) => {
    const parts = [bulk(Buffer.from('JPEG!'), 'bulk/1', `image/jpeg; transfer-syntax=${jpeg}`)]
    t.equal((await post(metadata([instanceOf('1.42', withPixels(), jpeg)]), ...parts)).status, 200)
    t.same(String(await frame('1.42')), 'JPEG!\0')
    const implicit = instanceOf('1.43', withPixels(), '1.2.840.10008.1.2')
    t.equal((await post(metadata([implicit]), bulk(pixels))).status, 200)
    t.match(await get(`${path('1.43')}/metadata`), [image])
    t.same(await frame('1.43'), pixels)
  })

  t.test('with InlineBinary', async (t) => {
    const inline = instanceOf('1.44', { '00420011': { vr: 'OB', InlineBinary: pixels.toString('base64') } })
    t.equal((await post(metadata([inline], `${json}; transfer-syntax=${explicit}`))).status, 200)
    t.match(await get(`${path('1.44')}/metadata`), [{ '00420011': { BulkDataURI: /00420011$/ } }])
  })

  t.test('what is refused', async (t) => {
    const without = (tag: string) => {
      const { [tag]: _, ...rest } = instanceOf('1.50', withPixels())
      return metadata([rest])
    }
    const good = () => metadata([instanceOf('1.50', withPixels())])
    const inline = instanceOf('1.50', { '00420011': { vr: 'OB', InlineBinary: 'AAAA' } })
    const refused: [string, ...BodyPart[]][] = [
      ['no JSON', metadata('no JSON'), bulk(pixels)],
      ['no array', metadata(instanceOf('1.50')), bulk(pixels)],
      ['nothing', metadata([])],
      ['another first part', bulk(pixels), good()],
      ...['00080005', '00020010', '00080016', '0020000D', '0020000E', '00080018'].map(
        (tag) => [tag, without(tag), bulk(pixels)] as [string, ...BodyPart[]],
      ),
      ['another character set', metadata([{ ...instanceOf('1.50'), '00080005': { vr: 'CS', Value: ['ISO_IR 100'] } }])],
      ['big endian', metadata([instanceOf('1.50', withPixels(), '1.2.840.10008.1.2.2')]), bulk(pixels)],
      ['deflated', metadata([instanceOf('1.50', withPixels(), '1.2.840.10008.1.2.1.99')]), bulk(pixels)],
      ['no bulk data', good()],
      ['bulk data elsewhere', good(), bulk(pixels, 'bulk/2')],
      ['too much bulk data', good(), bulk(pixels), bulk(pixels, 'bulk/2')],
      ['an image of another type', good(), bulk(pixels, 'bulk/1', `image/jpeg; transfer-syntax=${jpeg}`)],
      ['text', good(), bulk(pixels, 'bulk/1', 'text/plain')],
      ['one URI twice', metadata([instanceOf('1.50', withPixels()), instanceOf('1.51', withPixels())]), bulk(pixels)],
      ['two URIs', metadata([instanceOf('1.50', { ...withPixels(), '00420011': { vr: 'OB', BulkDataURI: 'x' } })])],
      [
        'a URI for text',
        metadata([instanceOf('1.50', { '00104000': { vr: 'LT', BulkDataURI: 'bulk/1' } })]),
        bulk(pixels),
      ],
      ['InlineBinary of an unknown syntax', metadata([inline])],
      [
        'pixel data as InlineBinary',
        metadata(
          [instanceOf('1.50', { '7FE00010': { vr: 'OW', InlineBinary: 'AAAA' } })],
          `${json}; transfer-syntax=${explicit}`,
        ),
      ],
      ['a number that is none', metadata([instanceOf('1.50', { '00280010': { vr: 'US', Value: ['x'] } })])],
      ['a tag that is none', metadata([instanceOf('1.50', { '00280009': { vr: 'AT', Value: ['x'] } })])],
      ['a sequence of text', metadata([instanceOf('1.50', { '00081140': { vr: 'SQ', Value: ['x'] } })])],
      ['no VR', metadata([instanceOf('1.50', { '00280010': {} as never })])],
    ]
    for (const [name, ...parts] of refused) {
      const response = await post(...parts)
      t.match([response.status, await response.json()], [400, { error: { status: 'INVALID_ARGUMENT' } }], name)
    }
    t.equal((await request(path('1.51'))).status, 404)
    const left = await readdir(folder, { recursive: true })
    t.same(
      left.filter((name) => name.includes('incoming-')),
      [],
      'nothing of them is left',
    )
  })
})
