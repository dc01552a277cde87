/**
 * `node packaging/image.ts FOLDER`: what the container image holds beside Node. The Dockerfile runs
 * it.
 */
import { build, copyProgram, installDependencies } from './program.ts'

const [folder] = process.argv.slice(2)
if (folder === undefined) throw new Error('Usage: node packaging/image.ts FOLDER')
build()
copyProgram(folder)
installDependencies(folder)
