/**
 * Why a target is missed, by the name of its verdict, such as `small/caddy` or `latency/p99`; the
 * report shows it below the table as long as the target is missed. (`verdicts.ts` has the names.)
 */
export const reasons: Readonly<Record<string, string>> = {
  'small/http-proxy':
    'the target supposes a dearer http-proxy than the one measured here, whose connections are kept alive. `node:http` and undici alone, without streams, cost more than half of it; what is left would not pay for the audit record and the log line, let alone the guard. See docs/development/benchmark.md for what was done.',
  'up/best':
    'the best of four, chosen after the run, within the spread of the rounds. The same body goes the same way; counting it, buffering its first MiB for a retry, and watching its rate come on top.',
  connections:
    'one connection alone costs every contender more, as no request shares its wake-ups; at 256, three of four requests wait for a slot at Google (`Concurrency`), and more data is in flight than fits into the young generation.',
  'orthanc/STOW-RS, 500 instances of 512 KiB':
    'Orthanc, the proxy and the store race for two cores, which direct sending fills already. nginx and bare http-proxy make it, the latter with a tenth less processor time than ours (docs/development/benchmark.md). At the speed of a line of 1 Gbit/s nothing is left of it.',
}
