import { createServer } from 'node:http'
import t from 'tap'
import { finishedJob } from '../../src/orthanc/orthanc-job.ts'
import { OrthancRest } from '../../src/orthanc/orthanc-rest.ts'
import { listenOn } from '../helpers/listen.ts'

const place = 'Plugin error code 9 triggered from OrthancPluginCppWrapper.cpp:3391'
const phrase = 'Error encountered within the plugin engine'

// Orthanc 1.13 adds where in its plugin's source an error arose. `check` showed that to people, and
// its words were not those of other versions.
t.test('the place in the source is not shown', async (t) => {
  const url = await listenOn(
    t,
    createServer((request, response) => {
      const Details = request.url === '/studies' ? place : 'Unknown tag'
      response.writeHead(500).end(JSON.stringify({ Message: 'Error in the network protocol', Details }))
    }),
  )
  const rest = new OrthancRest(url)
  t.teardown(() => rest.close())
  t.match(await rest.list('studies').catch((error) => error), { details: 'Error in the network protocol' })
  t.match(await rest.list('series').catch((error) => error), { details: 'Error in the network protocol: Unknown tag' })
})

t.test('nor in a job', async (t) => {
  const Content = {
    FunctionErrorCode: 9,
    FunctionErrorDescription: 'Error in the network protocol',
    FunctionErrorDetails: place,
  }
  t.match(finishedJob({ ID: '1', Type: 'DicomWebStowClient', State: 'Failure', ErrorDescription: phrase, Content }), {
    errorDescription: 'Error in the network protocol',
    errorDetails: '',
  })
})
