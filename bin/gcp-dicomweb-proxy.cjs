#!/usr/bin/env -S node --max-semi-space-size=2 --initial-old-space-size=128 --no-allocation-site-pretenuring
// What npm installs as the command `gcp-dicomweb-proxy`. Any Node must be able to read it, back to
// Node 10: the program itself is beyond those before 16, and says which ones it needs from there on.
'use strict'

// In place of --disable-warning=DEP0060 (docs/adr/0010), at which a Node before 20.11 would end.
process.noDeprecation = true

if (parseInt(process.versions.node, 10) < 16) {
  var versions = require('../package.json').engines.node
  var needed = versions.replace(/^\^((\d+)\S*) \|\| >=(\S+)$/, '$1 or a newer release of the line $2, or $3 or newer')
  process.stderr.write(
    'gcp-dicomweb-proxy needs Node.js ' +
      needed +
      ', and this is ' +
      process.versions.node +
      ': install one of them, or a package that brings its own (docs/installing.md).\n',
  )
  process.exitCode = 2
} else {
  import('../dist/main.js')
}
