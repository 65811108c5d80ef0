// Runs a WebAssembly program under Node's WASI, as cargo's runner: `node wasi.mjs PROGRAM [ARGUMENT…]`.
import { readFile } from 'node:fs/promises';
import { WASI } from 'node:wasi';

process.removeAllListeners('warning');      // that WASI is new
const args = process.argv.slice(2);
const wasi = new WASI({ version: 'preview1', args, env: process.env, returnOnExit: true });
// Debian's WASI library has no threads; std names their functions all the same, and nobody calls them
const absent = (_, name) => () => { throw new Error(`${name} is not there`); };
const imports = { ...wasi.getImportObject(), env: new Proxy({}, { get: absent }) };
const { instance } = await WebAssembly.instantiate(await readFile(args[0]), imports);
process.exitCode = wasi.start(instance);
