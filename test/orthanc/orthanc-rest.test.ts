import { createServer } from 'node:http'
import t from 'tap'
import { syntheticStudy } from '../../src/emulator/synthetic-study.ts'
import type { LocalOrthanc } from '../../src/orthanc/local-orthanc.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { listenOn } from '../helpers/listen.ts'
import { needsOrthanc, startOrthanc } from '../helpers/orthanc.ts'

const errorsByStatus = {
  200: 'Error in the network protocol', // as the body is no response to a STOW
  401: 'Bad credentials were provided to an HTTP request',
  403: 'Bad credentials were provided to an HTTP request',
  404: 'Unknown resource',
  409: 'Error in the network protocol',
  429: 'Parameter out of range',
  503: 'Error in the network protocol',
}

// One Orthanc sends, another one is its DICOMweb server.
t.test('a client and an archive', needsOrthanc(), async (t) => {
  const archive = await startOrthanc(t)
  const client = await startOrthanc(t, { servers: { archive: { Url: `${archive.url}/dicom-web/`, HasDelete: '1' } } })

  await t.test('stored files come back byte for byte', async (t) => {
    for (const instance of syntheticStudy({ seed: 1 })) {
      const stored = await client.rest.upload(instance.bytes)
      t.equal(stored.Status, 'Success')
      t.ok((await client.rest.file(stored.ID)).equals(instance.bytes))
      t.equal((await client.rest.upload(instance.bytes)).Status, 'AlreadyStored')
    }
    t.equal((await client.rest.list('instances')).length, 3)
  })

  await t.test('lookup and delete', async (t) => {
    const [instance] = syntheticStudy({ seed: 2 })
    if (!instance) throw new Error('An empty study')
    const { ID } = await client.rest.upload(instance.bytes)
    t.match(await client.rest.lookup(instance.sopInstanceUid), [{ ID, Type: 'Instance' }])
    await client.rest.delete('instances', ID)
    t.same(await client.rest.lookup(instance.sopInstanceUid), [])
    await t.rejects(client.rest.delete('instances', ID), { name: 'OrthancError', status: 404 })
  })

  await t.test('STOW-RS', async (t) => {
    const { study } = await uploadStudy(client, 3)
    const job = await client.rest.stow('archive', [study])
    t.match(job, { state: 'Success', type: 'DicomWebStowClient', errorCode: 0, content: { InstancesCount: '4' } })
    t.equal((await archive.rest.list('instances')).length, 4)
  })

  await t.test('QIDO-RS', async (t) => {
    await storeInArchive(archive, 4)
    const matches = await client.rest.qido('archive', '/studies', { PatientID: 'SYN-4' })
    t.match(matches, [{ '00100010': { Name: 'PatientName', Value: 'Synthetic^Patient 4', vr: 'PN' } }])
    t.equal(matches.length, 1)
  })

  await t.test('WADO-RS', async (t) => {
    const { instances, uid } = await storeInArchive(archive, 5)
    const job = await client.rest.retrieve('archive', [{ study: uid }])
    t.match(job, { state: 'Success', type: 'DicomWebWadoRetrieveClient' })
    t.equal(Number(job.content.ReceivedInstancesCount), instances.length)
    const metadata = await client.rest.get('archive', `/studies/${uid}/metadata`)
    t.equal((JSON.parse(metadata.toString()) as unknown[]).length, instances.length)
  })

  await t.test('a failed job says what Orthanc knows', async (t) => {
    const { study } = await uploadStudy(client, 6)
    await client.rest.putServer('nobody', { Url: 'http://127.0.0.1:9/', HttpHeaders: { authorization: 'Bearer x' } })
    t.has(await client.rest.servers(), ['archive', 'nobody'])
    t.match(await client.rest.stow('nobody', [study]), {
      state: 'Failure',
      errorCode: 9,
      errorDescription: 'Error in the network protocol',
    })
    await t.rejects(client.rest.qido('nobody', '/studies'), { name: 'OrthancError', message: /network protocol/ })
    await client.rest.deleteServer('nobody')
    t.same(await client.rest.servers(), ['archive'])
  })

  await t.test('what Orthanc makes of the response to a STOW', async (t) => {
    const { study } = await uploadStudy(client, 7)
    for (const [status, errorDescription] of Object.entries(errorsByStatus)) {
      const upstream = createServer((request, response) => {
        request.resume().on('end', () => response.writeHead(Number(status)).end('{}'))
      })
      await client.rest.putServer('upstream', { Url: await listenOn(t, upstream) })
      t.match(await client.rest.stow('upstream', [study]), { state: 'Failure', errorDescription }, status)
    }
    await client.rest.deleteServer('upstream')
  })

  await t.test('what DELETE and GET look like at the other end', async (t) => {
    const seen: string[] = []
    const upstream = createServer((request, response) => {
      seen.push(`${request.method} ${request.url} ${request.headers.accept}`)
      response.end('any body')
    })
    await client.rest.putServer('upstream', { Url: `${await listenOn(t, upstream)}/base/`, HasDelete: '1' })
    await client.rest.deleteRemote('upstream', { study: '1', series: '2', instance: '3' })
    await client.rest.deleteRemote('upstream', { study: '1', series: '2' })
    await client.rest.deleteRemote('upstream', { study: '1' })
    const headers = { Accept: 'image/png' }
    const response = await client.rest.get('upstream', '/studies/1/rendered', { viewport: '8,8' }, headers)
    t.equal(response.toString(), 'any body')
    t.same(seen, [
      'DELETE /base/studies/1/series/2/instances/3 */*',
      'DELETE /base/studies/1/series/2 */*',
      'DELETE /base/studies/1 */*',
      'GET /base/studies/1/rendered?viewport=8%2C8 image/png',
    ])
    await client.rest.putServer('upstream', { Url: 'http://127.0.0.1:9/' })
    await t.rejects(client.rest.deleteRemote('upstream', { study: '1' }), { message: /HasDelete|file format/ })
    await client.rest.deleteServer('upstream')
  })
})

t.test('nobody listens', async (t) => {
  const rest = new OrthancRest('http://127.0.0.1:9')
  t.teardown(() => rest.close())
  await t.rejects(rest.system(), { name: 'OrthancError', status: 0, message: /^Orthanc cannot be reached at/ })
})

t.test('credentials', needsOrthanc(), async (t) => {
  const RegisteredUsers = { synthetic: 'pass:word' }
  const { url, rest } = await startOrthanc(t, { configuration: { AuthenticationEnabled: true, RegisteredUsers } })
  t.match(await rest.system(), { PluginsEnabled: true })
  const anonymous = new OrthancRest(url)
  t.teardown(() => anonymous.close())
  await t.rejects(anonymous.system(), { name: 'OrthancError', status: 401 })
})

async function uploadStudy({ rest }: LocalOrthanc, seed: number) {
  const instances = [...syntheticStudy({ seed, series: 2, instances: 2 })]
  const stored = await Promise.all(instances.map(({ bytes }) => rest.upload(bytes)))
  return { instances, study: stored[0]?.ParentStudy ?? '' }
}

async function storeInArchive(archive: LocalOrthanc, seed: number) {
  const { instances } = await uploadStudy(archive, seed)
  return { instances, uid: instances[0]?.studyInstanceUid ?? '' }
}
