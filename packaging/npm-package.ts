import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { copyDocuments, copyProgram } from './program.ts'
import { project } from './project.ts'
import { run } from './run.ts'

/** Makes the package for npm: `npm install --global FILE`, `npx FILE`. Returns its path. */
export function makeNpmPackage(products: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'npm-package-'))
  try {
    copyProgram(folder)
    cpSync(join(project, 'bin'), join(folder, 'bin'), { recursive: true })
    mkdirSync(join(folder, 'docs'))
    copyDocuments(join(folder, 'docs'))
    mkdirSync(products, { recursive: true })
    const [{ filename }] = JSON.parse(run('npm', ['pack', '--json', '--pack-destination', products], { cwd: folder }))
    return join(products, filename)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
