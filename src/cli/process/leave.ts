/** Calls that a thread of Node's carries out: on files, and for names. */
const ofThreads = /^(FSReq|GetAddrInfoReq|GetNameInfoReq)/

function isStuck(): boolean {
  return process.getActiveResourcesInfo().some((name) => ofThreads.test(name))
}

/**
 * Ends this process now. Node itself would wait for each thread, and so for ever for one that reads
 * from a network drive that has gone.
 */
export function leave(code = process.exitCode ?? 0): never {
  // As the last of those who hear of the end: nothing comes after it.
  if (isStuck()) process.once('exit', exitHere)
  process.exit(code)
}

/** Ends it soon after a command has ended, if there is nothing left but calls that hang. */
export function leaveIfStuck(): void {
  setTimeout(() => isStuck() && leave(), 1_000).unref()
}

/**
 * Another program in the place of this one takes its threads away, and ends with the same code; a
 * signal would not say it, nor end a container's first process.
 */
function exitHere(code: number): void {
  if (process.platform === 'win32' || !process.execve) process.kill(process.pid, 'SIGKILL')
  else process.execve(process.execPath, [process.execPath, '-e', `process.exit(${code})`], { PATH: '' })
}

/**
 * Ends this process once all has been said: an exporter of traces may go on trying for ten seconds,
 * for nobody.
 */
export function exitSoon(): void {
  setTimeout(() => leave(), 200).unref()
}
