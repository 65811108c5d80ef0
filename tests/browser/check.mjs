// Drops networks on a page of `zoometry export --page` in headless Chromium and compares what it shows with what the program says:
// `node check.mjs PAGE.html NETWORK.safetensors PREDICTED NETWORKS OTHER` where PREDICTED is the bits of the accuracy that the
// program predicts of NETWORK (the last word of expected.txt), NETWORKS a file with several and the same network as its number
// $RUN, OTHER a file that is no network.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [page, network, bits, zoo, other] = process.argv.slice(2);
const profile = mkdtempSync(join(tmpdir(), 'chromium-'));
const flags = ['--headless=new', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', `--user-data-dir=${profile}`];
const chromium = spawn(process.env.CHROMIUM ?? 'chromium', flags, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const [, , , to, from] = chromium.stdio;
const fail = text => { throw new Error(text); };

// the protocol: JSON messages that end with a zero byte
const waiting = new Map(), problems = [];
let number = 0, pending = '';
from.setEncoding('utf8').on('data', text => {
  const messages = (pending + text).split('\0');
  pending = messages.pop();
  for (const message of messages.map(JSON.parse)) {
    if (message.method === 'Runtime.exceptionThrown') problems.push(message.params.exceptionDetails.text);
    const { resolve, reject } = waiting.get(message.id) ?? {};
    if (message.error) reject?.(new Error(message.error.message)); else resolve?.(message.result);
  }
});
let sessionId;
const call = (method, params = {}) => new Promise((resolve, reject) => {
  waiting.set(++number, { resolve, reject });
  to.write(JSON.stringify({ id: number, method, params, sessionId }) + '\0');
});
const ask = async expression => (await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })).result.value;
const until = async (what, expression) => {
  for (let tries = 0; tries < 600; tries++) {
    if (await ask(expression)) return;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  fail(`${what}: not within a minute; the page says ${await ask('document.body.innerText')}`);
};
const shown = '!document.getElementById("answer").hidden', refused = '!document.getElementById("message").hidden';
const drop = async path => {
  await ask('document.getElementById("answer").hidden = document.getElementById("message").hidden = true');
  const data = { items: [], files: [resolve(path)], dragOperationsMask: 1 };
  for (const type of ['dragEnter', 'dragOver', 'drop']) await call('Input.dispatchDragEvent', { type, x: 200, y: 200, data });
};
const predicted = async () => {
  const word = new Uint32Array(Float32Array.of(Number(await ask('document.getElementById("answer").dataset.predicted'))).buffer)[0];
  return word.toString(16).padStart(8, '0');
};
const same = async what => { const got = await predicted(); if (got !== bits) fail(`${what}: predicted ${got}, the program ${bits}`); };

try {
  const { targetId } = await call('Target.createTarget', { url: pathToFileURL(resolve(page)).href });
  ({ sessionId } = await call('Target.attachToTarget', { targetId, flatten: true }));
  await call('Runtime.enable');
  await until('the page', 'document.readyState === "complete" && typeof predict === "function"');
  await drop(network);
  await until('a dropped network', shown);
  await same('a dropped network');
  const rows = await ask('document.querySelectorAll("#statistics tbody tr").length');
  const tensors = await ask('data.tensors.length');
  if (rows !== tensors || rows === 0) fail(`${rows} rows of statistics, ${tensors} tensors`);
  console.log(await ask('document.getElementById("answer").innerText.split(/\\s*\\n\\s*/).slice(0, 12).join(" | ")'));
  await drop(zoo);
  await until('a dropped zoo', shown);
  const choose = async (id, value) => {
    await ask(`element('answer').hidden = true; element('${id}').value = '${value}'; element('${id}').dispatchEvent(new Event('change'))`);
    await until(`${id} ${value}`, shown);
  };
  // the best after the last epoch comes first; the list has them by their accuracies
  const listed = await ask('[...element("list").options].map(option => Number(option.value))');
  const first = Number(await ask('element("run").value')), measured = await ask('element("measured").textContent');
  const accuracies = await ask('[...element("list").options].map(option => parseFloat(option.text))');
  if (listed.length < 2 || first !== listed[0] || parseFloat(measured) !== accuracies[0]) fail(`opened ${first}, ${measured} of ${listed}`);
  if (accuracies.some((accuracy, place) => place > 0 && accuracy > accuracies[place - 1])) fail(`no order: ${accuracies}`);
  await choose('list', listed.at(-1));
  if (Number(await ask('element("run").value')) !== listed.at(-1)) fail('the list does not choose');
  await choose('epoch', 0);
  await choose('run', process.env.RUN);
  if (await predicted() === bits) fail('a network predicts the same before its training');
  await choose('epoch', await ask('[...element("epoch").options].at(-1).value'));
  await until('the network of the zoo', shown);
  await same('the network of the zoo');
  await drop(other);
  await until('a file that is none', `${refused} && !(${shown})`);
  console.log(await ask('document.getElementById("message").textContent'));
  if (problems.length > 0) fail(problems.join('; '));
  console.log('page same');
} finally {
  chromium.kill();
  await new Promise(resolve => chromium.on('exit', resolve));
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
}
